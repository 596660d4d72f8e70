package lifecycle

import (
	"fmt"
	"strings"

	v1 "k8s.io/api/core/v1"
)

// safeSysctls may be set by any pod, for they reach no further than its own
// namespaces (upstream: pkg/kubelet/sysctl/safe_sysctls.go). A kernel that is
// too old to have one in a namespace refuses it when the sandbox is made.
var safeSysctls = map[string]bool{
	"kernel.shm_rmid_forced":              true,
	"net.ipv4.ip_local_port_range":        true,
	"net.ipv4.tcp_syncookies":             true,
	"net.ipv4.ping_group_range":           true,
	"net.ipv4.ip_unprivileged_port_start": true,
	"net.ipv4.ip_local_reserved_ports":    true,
	"net.ipv4.tcp_keepalive_time":         true,
	"net.ipv4.tcp_fin_timeout":            true,
	"net.ipv4.tcp_keepalive_intvl":        true,
	"net.ipv4.tcp_keepalive_probes":       true,
	"net.ipv4.tcp_rmem":                   true,
	"net.ipv4.tcp_wmem":                   true,
}

// sysctls refuses a pod that sets what is not safe to set, or what would be
// set in a namespace that it shares with the host.
func sysctls(pod *v1.Pod) *Rejection {
	if pod.Spec.SecurityContext == nil {
		return nil
	}
	for _, s := range pod.Spec.SecurityContext.Sysctls {
		name := strings.ReplaceAll(s.Name, "/", ".")
		why := ""
		switch {
		case !safeSysctls[name]:
			why = fmt.Sprintf("%q not allowlisted", name)
		case strings.HasPrefix(name, "kernel.") && pod.Spec.HostIPC:
			why = fmt.Sprintf("%q not allowed with host %s enabled", name, "IPC")
		case strings.HasPrefix(name, "net.") && pod.Spec.HostNetwork:
			why = fmt.Sprintf("%q not allowed with host %s enabled", name, "Net")
		}
		if why != "" {
			return &Rejection{"SysctlForbidden", "forbidden sysctl: " + why}
		}
	}
	return nil
}
