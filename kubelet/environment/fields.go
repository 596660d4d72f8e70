package environment

import (
	"errors"
	"strings"

	v1 "k8s.io/api/core/v1"
	resourcehelper "k8s.io/component-helpers/resource"
	"k8s.io/kubernetes/pkg/api/v1/resource"
	podshelper "k8s.io/kubernetes/pkg/apis/core/pods"
	"k8s.io/kubernetes/pkg/fieldpath"
)

// field is the value of one of the pod's fields. Those that the node decides are
// given by the node: the pod's status may not have them yet.
func (b *builder) field(ref *v1.ObjectFieldSelector) (string, error) {
	path, _, err := podshelper.ConvertDownwardAPIFieldLabel(ref.APIVersion, ref.FieldPath, "")
	if err != nil {
		return "", err
	}
	switch path {
	case "spec.nodeName":
		return b.nodeName, nil
	case "spec.serviceAccountName":
		return b.pod.Spec.ServiceAccountName, nil
	case "status.hostIP":
		return first(b.hostIPs), nil
	case "status.hostIPs":
		return strings.Join(b.hostIPs, ","), nil
	case "status.podIP":
		return first(b.podIPs), nil
	case "status.podIPs":
		return strings.Join(b.podIPs, ","), nil
	}
	return fieldpath.ExtractFieldPathAsString(b.pod, path)
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}

// resource is a container's request or limit. A limit that is not set is the
// pod's, or what the node has for pods (upstream: defaultPodLimitsForDownwardAPI
// in pkg/kubelet/kubelet_resources.go).
func (b *builder) resource(ref *v1.ResourceFieldSelector) (string, error) {
	node := b.node()
	if node == nil {
		return "", errors.New("failed to find node object, expected a node")
	}
	allocatable := node.Status.Allocatable.DeepCopy()
	if resourcehelper.IsPodLevelLimitsSet(b.pod) {
		for _, name := range []v1.ResourceName{v1.ResourceCPU, v1.ResourceMemory, v1.ResourceEphemeralStorage} {
			limit, set := b.pod.Spec.Resources.Limits[name]
			_, known := allocatable[name]
			if set && known && !limit.IsZero() && resourcehelper.IsSupportedPodLevelResource(name) {
				allocatable[name] = limit
			}
		}
	}
	if ref.ContainerName != "" {
		pod := b.pod.DeepCopy()
		for i := range pod.Spec.Containers { // upstream leaves init containers as they are
			resource.MergeContainerResourceLimits(&pod.Spec.Containers[i], allocatable)
		}
		return resource.ExtractResourceValueByContainerName(ref, pod, ref.ContainerName)
	}
	c := b.container.DeepCopy()
	resource.MergeContainerResourceLimits(c, allocatable)
	return resource.ExtractContainerResourceValue(ref, c)
}
