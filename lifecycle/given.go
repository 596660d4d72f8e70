package lifecycle

import (
	"slices"

	v1 "k8s.io/api/core/v1"
)

// SameResources says whether two versions of a pod ask for the same resources, as
// a whole and container by container.
func SameResources(a, b *v1.Pod) bool {
	containers := func(a, b []v1.Container) bool {
		return slices.EqualFunc(a, b, func(x, y v1.Container) bool { return sameResources(&x.Resources, &y.Resources) })
	}
	return sameResources(a.Spec.Resources, b.Spec.Resources) && containers(a.Spec.InitContainers, b.Spec.InitContainers) && containers(a.Spec.Containers, b.Spec.Containers)
}

func sameResources(a, b *v1.ResourceRequirements) bool {
	if a == nil || b == nil {
		return a == b
	}
	list := func(x, y v1.ResourceList) bool {
		for name, q := range x {
			if other, ok := y[name]; !ok || q.Cmp(other) != 0 {
				return false
			}
		}
		return len(x) == len(y)
	}
	return list(a.Requests, b.Requests) && list(a.Limits, b.Limits)
}

// WithResourcesOf is the pod with the resources that an earlier version of it asked
// for (upstream: UpdatePodFromAllocation in pkg/kubelet/allocation). Neither is
// changed; given nil is the pod itself.
func WithResourcesOf(pod, given *v1.Pod) *v1.Pod {
	if given == nil || SameResources(pod, given) {
		return pod
	}
	out := *pod
	out.Spec.Resources = given.Spec.Resources
	as := func(list, given []v1.Container) []v1.Container {
		list = slices.Clone(list)
		for i := range list {
			if g := slices.IndexFunc(given, func(c v1.Container) bool { return c.Name == list[i].Name }); g >= 0 {
				list[i].Resources = given[g].Resources
			}
		}
		return list
	}
	out.Spec.InitContainers = as(pod.Spec.InitContainers, given.Spec.InitContainers)
	out.Spec.Containers = as(pod.Spec.Containers, given.Spec.Containers)
	return &out
}

// Given is the pod with the resources that a node gave it before it began anew: what
// its spec asks for, unless its status says that this has to wait, and what it has
// in the meantime.
func Given(pod *v1.Pod) *v1.Pod {
	if Condition(&pod.Status, v1.PodResizePending) == nil {
		return pod
	}
	out := *pod
	as := func(list []v1.Container, statuses []v1.ContainerStatus) []v1.Container {
		list = slices.Clone(list)
		for i := range list {
			if s := find(statuses, list[i].Name); s != nil && s.Resources != nil {
				list[i].Resources.Requests, list[i].Resources.Limits = s.AllocatedResources, s.Resources.Limits
			}
		}
		return list
	}
	out.Spec.InitContainers = as(pod.Spec.InitContainers, pod.Status.InitContainerStatuses)
	out.Spec.Containers = as(pod.Spec.Containers, pod.Status.ContainerStatuses)
	if s := pod.Status.Resources; pod.Spec.Resources != nil && s != nil {
		whole := *pod.Spec.Resources
		whole.Requests, whole.Limits = pod.Status.AllocatedResources, s.Limits
		out.Spec.Resources = &whole
	}
	return &out
}
