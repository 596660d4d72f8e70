package cgroup

import (
	"slices"

	v1 "k8s.io/api/core/v1"
	resourcehelper "k8s.io/component-helpers/resource"
	v1qos "k8s.io/kubernetes/pkg/apis/core/v1/helper/qos"
	"k8s.io/kubernetes/pkg/apis/scheduling"
)

// How soon the kernel ends a container when the machine has no memory left: -1000 never, 1000 first
// (upstream: pkg/kubelet/qos/policy.go).
const (
	oomGuaranteed = -997
	oomBestEffort = 1000
)

// configSource is the annotation with which a node marks pods that did not come from the API.
const configSource = "kubernetes.io/config.source"

// oomScoreAdj protects a container the better the more of the machine's memory it asked for: one that
// uses more than its request scores above all that do not.
func oomScoreAdj(pod *v1.Pod, container *v1.Container, nodeMemory int64) int64 {
	class := v1qos.GetPodQOS(pod)
	switch {
	case nodeCritical(pod) || class == v1.PodQOSGuaranteed:
		return oomGuaranteed
	case class == v1.PodQOSBestEffort:
		return oomBestEffort
	}
	share := memoryBeyondContainers(pod)
	request := container.Resources.Requests.Memory().Value() + share
	if isSidecar(pod, container) {
		// A sidecar must not be ended before the containers that it serves.
		request = max(request, leastMemory(pod)+share)
	}
	adjust := int64(oomBestEffort)
	if nodeMemory > 0 {
		adjust -= 1000 * request / nodeMemory
	}
	return min(max(adjust, oomBestEffort+oomGuaranteed), oomBestEffort-1)
}

// memoryBeyondContainers is each container's part of what the pod asks for beyond the sum of its
// containers (KEP-2837).
func memoryBeyondContainers(pod *v1.Pod) int64 {
	if !resourcehelper.IsPodLevelRequestsSet(pod) || pod.Spec.Resources.Requests.Memory().IsZero() {
		return 0
	}
	sum := resourcehelper.AggregateContainerRequests(pod, resourcehelper.PodResourcesOptions{})
	beyond := pod.Spec.Resources.Requests.Memory().Value() - sum.Memory().Value()
	return beyond / int64(len(pod.Spec.Containers)+len(pod.Spec.InitContainers))
}

// leastMemory is the least that one of the pod's main containers asks for.
func leastMemory(pod *v1.Pod) int64 {
	least := pod.Spec.Containers[0].Resources.Requests.Memory().Value()
	for i := range pod.Spec.Containers {
		least = min(least, pod.Spec.Containers[i].Resources.Requests.Memory().Value())
	}
	return least
}

// isSidecar is whether this is an init container that goes on beside the main ones.
func isSidecar(pod *v1.Pod, container *v1.Container) bool {
	return container.RestartPolicy != nil && *container.RestartPolicy == v1.ContainerRestartPolicyAlways &&
		slices.ContainsFunc(pod.Spec.InitContainers, func(c v1.Container) bool { return c.Name == container.Name })
}

// nodeCritical is whether the node itself depends on the pod (upstream's types.IsNodeCriticalPod).
func nodeCritical(pod *v1.Pod) bool {
	if pod.Spec.PriorityClassName != scheduling.SystemNodeCritical {
		return false
	}
	source, marked := pod.Annotations[configSource]
	_, mirror := pod.Annotations[v1.MirrorPodAnnotationKey]
	return marked && source != "api" || mirror ||
		pod.Spec.Priority != nil && *pod.Spec.Priority >= scheduling.SystemCriticalPriority
}
