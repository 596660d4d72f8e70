package lifecycle

import v1 "k8s.io/api/core/v1"

// sandboxNeeded says whether a new sandbox has to be made before containers can
// start, the attempt number it gets, and the sandbox that it replaces ("" if
// none) (upstream: PodSandboxChanged in pkg/kubelet/kuberuntime/util/util.go).
func sandboxNeeded(pod *v1.Pod, seen *Observed) (needed bool, attempt uint32, old string) {
	if len(seen.Sandboxes) == 0 {
		return true, 0, ""
	}
	newest, ready := seen.Sandboxes[0], 0
	for _, s := range seen.Sandboxes {
		if s.Ready {
			ready++
		}
	}
	switch {
	case ready > 1, !newest.Ready:
		return true, newest.Attempt + 1, newest.ID
	case newest.HostNetwork != pod.Spec.HostNetwork:
		return true, newest.Attempt + 1, ""
	case !pod.Spec.HostNetwork && len(newest.IPs) == 0:
		return true, newest.Attempt + 1, newest.ID
	}
	return false, newest.Attempt, newest.ID
}

// podIPs are the addresses of the newest sandbox, for as long as it is ready.
func podIPs(pod *v1.Pod, seen *Observed) []string {
	if pod.Spec.HostNetwork {
		return seen.HostIPs
	}
	if len(seen.Sandboxes) > 0 && seen.Sandboxes[0].Ready {
		return seen.Sandboxes[0].IPs
	}
	return nil
}
