package lifecycle

import v1 "k8s.io/api/core/v1"

// maxMessages is how many bytes the containers of one pod may have in its status
// as their last words, each the same share of it (upstream:
// MaxPodTerminationMessageLogLength in pkg/kubelet/container/runtime.go).
const maxMessages = 12 * 1024

// limitMessages cuts every container's last words to its share (upstream:
// normalizeStatus in pkg/kubelet/status/status_manager.go).
func limitMessages(pod *v1.Pod, s *v1.PodStatus) {
	share := maxMessages / max(1, len(pod.Spec.InitContainers)+len(pod.Spec.Containers)+len(pod.Spec.EphemeralContainers))
	limit := func(state *v1.ContainerState) {
		if t := state.Terminated; t != nil && len(t.Message) > share {
			short := *t // an earlier status may hold the same one
			short.Message = t.Message[:share]
			state.Terminated = &short
		}
	}
	for _, list := range [][]v1.ContainerStatus{s.InitContainerStatuses, s.ContainerStatuses, s.EphemeralContainerStatuses} {
		for i := range list {
			limit(&list[i].State)
			limit(&list[i].LastTerminationState)
		}
	}
}
