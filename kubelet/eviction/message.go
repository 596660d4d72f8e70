package eviction

import (
	"fmt"
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	resourcehelper "k8s.io/component-helpers/resource"
	statsapi "k8s.io/kubelet/pkg/apis/stats/v1alpha1"
)

// The annotations of an eviction's Event.
const (
	starvedResource = "starved_resource"
	offenders       = "offending_containers"
	offendersUse    = "offending_containers_usage"
	offendingPod    = "offending_pod"
	offendingPodUse = "offending_pod_usage"
)

const consumption = "%s %s was using %s, request is %s, has larger consumption of %v. "

// explain says why the pod has to go, and gives the figures for programs (upstream: evictionMessage in
// helpers.go). s is what the pod uses, nil if that is not known.
func explain(t *threshold, a amount, pod *v1.Pod, s *statsapi.PodStats) (message string, annotations map[string]string) {
	annotations = map[string]string{}
	message = fmt.Sprintf("The node was low on resource: %v. Threshold quantity: %v, available: %v. ", t.resource, t.least(a), a.available)
	if s == nil {
		return message, annotations
	}
	if t.resource == v1.ResourceMemory && s.Memory != nil && resourcehelper.IsPodLevelResourcesSet(pod) {
		if request, asked := pod.Spec.Resources.Requests[v1.ResourceMemory]; asked {
			use := memoryOf(s.Memory).String()
			message += fmt.Sprintf(consumption, "Pod", pod.Name, use, request.String(), t.resource)
			annotations[offendingPod], annotations[offendingPodUse] = pod.Name, use
		}
	}
	var names, uses []string
	for i := range s.Containers {
		c := &s.Containers[i]
		// Ephemeral containers cannot ask for anything and are not blamed for it.
		all := slices.Concat(pod.Spec.Containers, pod.Spec.InitContainers)
		at := slices.IndexFunc(all, func(spec v1.Container) bool { return spec.Name == c.Name })
		use := useOf(c, t.resource)
		if at < 0 || use == nil {
			continue
		}
		if request := all[at].Resources.Requests[t.resource]; use.Cmp(request) > 0 {
			message += fmt.Sprintf(consumption, "Container", c.Name, use.String(), request.String(), t.resource)
			names, uses = append(names, c.Name), append(uses, use.String())
		}
	}
	annotations[offenders], annotations[offendersUse] = strings.Join(names, ","), strings.Join(uses, ",")
	annotations[starvedResource] = string(t.resource)
	return message, annotations
}

// useOf is what the container uses of memory or local storage; nil if it is not known, or something
// else runs short.
func useOf(c *statsapi.ContainerStats, of v1.ResourceName) *resource.Quantity {
	switch {
	case of == v1.ResourceMemory && c.Memory != nil && c.Memory.WorkingSetBytes != nil:
		return memoryOf(c.Memory)
	case of == v1.ResourceEphemeralStorage && c.Rootfs != nil && c.Rootfs.UsedBytes != nil && c.Logs != nil && c.Logs.UsedBytes != nil:
		use := bytes(c.Rootfs)
		use.Add(*bytes(c.Logs))
		return use
	}
	return nil
}
