package dns

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	v1 "k8s.io/api/core/v1"
)

// nodeHosts is the node's own hosts file, for pods in the node's network.
const nodeHosts = "/etc/hosts"

// HostsPath is where the hosts file of a pod is, in its folder.
func HostsPath(podDir string) string { return filepath.Join(podDir, "etc-hosts") }

// HostsFile writes the pod's /etc/hosts into its folder and gives its path: the
// node's own for a pod in the node's network, else one with the pod's addresses
// and names; both with the pod's hostAliases (upstream: ensureHostsFile in
// pkg/kubelet/kubelet_pods.go).
func HostsFile(podDir string, pod *v1.Pod, podIPs []string, hostname, domain string) (path string, err error) {
	content := managedHosts(podIPs, hostname, domain)
	if pod.Spec.HostNetwork {
		if content, err = copiedHosts(nodeHosts); err != nil {
			return "", fmt.Errorf("reading the node's hosts file: %w", err)
		}
	}
	content += aliases(pod.Spec.HostAliases)

	path = HostsPath(podDir)
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		return "", fmt.Errorf("writing the pod's hosts file: %w", err)
	}
	// The umask may have taken from the mode, and the file may be an older one's.
	if err := os.Chmod(path, 0o644); err != nil {
		return "", fmt.Errorf("writing the pod's hosts file: %w", err)
	}
	return path, nil
}

func copiedHosts(file string) (string, error) {
	hosts, err := os.ReadFile(file)
	return "# Kubernetes-managed hosts file (host network).\n" + string(hosts), err
}

func managedHosts(podIPs []string, hostname, domain string) string {
	var b strings.Builder
	b.WriteString(`# Kubernetes-managed hosts file.
127.0.0.1	localhost
::1	localhost ip6-localhost ip6-loopback
fe00::0	ip6-localnet
fe00::0	ip6-mcastprefix
fe00::1	ip6-allnodes
fe00::2	ip6-allrouters
`)
	names := hostname
	if domain != "" {
		names = hostname + "." + domain + "\t" + hostname
	}
	for _, ip := range podIPs {
		fmt.Fprintf(&b, "%s\t%s\n", ip, names)
	}
	return b.String()
}

func aliases(list []v1.HostAlias) string {
	if len(list) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString("\n# Entries added by HostAliases.\n")
	for _, a := range list {
		fmt.Fprintf(&b, "%s\t%s\n", a.IP, strings.Join(a.Hostnames, "\t"))
	}
	return b.String()
}
