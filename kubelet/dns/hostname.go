package dns

import (
	"fmt"
	"strings"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
)

// Longest names that the kernel takes: a host name leaves room for a NUL byte,
// a name with its domain does not (upstream: truncatePodHostnameIfNeeded in
// pkg/kubelet/kubelet_pods.go, GetNodenameForKernel in pkg/kubelet/util).
const (
	maxHostname = 63
	maxFQDN     = 64
)

// Hostname gives the pod's short host name, cut to what the kernel takes, and
// its domain, which only pods with a subdomain have (upstream:
// GeneratePodHostNameAndDomain).
func Hostname(pod *v1.Pod, clusterDomain string) (hostname, domain string, err error) {
	if override := pod.Spec.HostnameOverride; override != nil { // KEP-4762
		if wrong := validation.IsDNS1123Subdomain(*override); len(wrong) > 0 {
			return "", "", fmt.Errorf("pod HostnameOverride %q is not a valid DNS subdomain: %s", *override, strings.Join(wrong, ";"))
		}
		hostname, err = cut(pod.Name, *override)
		return hostname, "", err
	}
	hostname = pod.Name
	if name := pod.Spec.Hostname; name != "" {
		if wrong := validation.IsDNS1123Label(name); len(wrong) > 0 {
			return "", "", fmt.Errorf("pod Hostname %q is not a valid DNS label: %s", name, strings.Join(wrong, ";"))
		}
		hostname = name
	}
	if hostname, err = cut(pod.Name, hostname); err != nil {
		return "", "", err
	}
	if sub := pod.Spec.Subdomain; sub != "" {
		if wrong := validation.IsDNS1123Label(sub); len(wrong) > 0 {
			return "", "", fmt.Errorf("pod Subdomain %q is not a valid DNS label: %s", sub, strings.Join(wrong, ";"))
		}
		domain = fmt.Sprintf("%s.%s.svc.%s", sub, pod.Namespace, clusterDomain)
	}
	return hostname, domain, nil
}

func cut(pod, hostname string) (string, error) {
	if len(hostname) <= maxHostname {
		return hostname, nil
	}
	short := strings.TrimRight(hostname[:maxHostname], "-.")
	if short == "" {
		return "", fmt.Errorf("hostname for pod %q was invalid: %q", pod, hostname)
	}
	return short, nil
}

// NodeName is what the kernel in the pod says its name is (uname -n), for the
// sandbox: the host name, or with setHostnameAsFQDN the whole name.
func NodeName(pod *v1.Pod, hostname, domain string) (string, error) {
	if domain == "" || pod.Spec.SetHostnameAsFQDN == nil || !*pod.Spec.SetHostnameAsFQDN {
		return hostname, nil
	}
	fqdn := hostname + "." + domain
	if len(fqdn) > maxFQDN {
		return "", fmt.Errorf("failed to construct FQDN from pod hostname and cluster domain, FQDN %s is too long (%d characters is the max, %d characters requested)",
			fqdn, maxFQDN, len(fqdn))
	}
	return fqdn, nil
}
