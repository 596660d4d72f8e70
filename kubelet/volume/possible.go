package volume

import (
	"fmt"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	resourcehelper "k8s.io/component-helpers/resource"
	v1helper "k8s.io/kubernetes/pkg/apis/core/v1/helper"
)

// possible says why no node could make the volume, simulated or not.
func (h *host) possible(pod *v1.Pod, v *v1.Volume) error {
	switch {
	case v.CSI != nil:
		return h.driver(v.CSI.Driver)
	case v.EmptyDir != nil && v1helper.IsHugePageMedium(v.EmptyDir.Medium):
		return hugePages(pod, v.EmptyDir.Medium)
	}
	return nil
}

// driver: a CSI driver that the cluster knows is taken to run on a simulated node
// (the words are upstream's, in pkg/volume/csi).
func (h *host) driver(name string) error {
	_, err := h.m.client.StorageV1().CSIDrivers().Get(h.ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return fmt.Errorf("kubernetes.io/csi: mounter.SetUpAt failed to get CSI client: driver name %s not found in the list of registered CSI drivers", name)
	}
	return err
}

// hugePages: who uses them asks for some, and says of which size if there are two
// (upstream: getPageSizeMountOption in pkg/volume/emptydir).
func hugePages(pod *v1.Pod, medium v1.StorageMedium) error {
	asked := map[v1.ResourceName]bool{}
	ask := func(requests v1.ResourceList) {
		for name := range requests {
			if v1helper.IsHugePageResourceName(name) {
				asked[name] = true
			}
		}
	}
	for _, list := range [][]v1.Container{pod.Spec.Containers, pod.Spec.InitContainers} {
		for i := range list {
			ask(list[i].Resources.Requests)
		}
	}
	if resourcehelper.IsPodLevelResourcesSet(pod) {
		ask(pod.Spec.Resources.Requests)
	}
	found := len(asked) > 0
	switch {
	case medium == v1.StorageMediumHugePages && len(asked) > 1:
		return fmt.Errorf("medium: %s can't be used if container requests multiple huge page sizes", medium)
	case medium != v1.StorageMediumHugePages:
		size, err := v1helper.HugePageSizeFromMedium(medium)
		if err != nil {
			return err
		}
		found = asked[v1helper.HugePageResourceName(size)]
	}
	if !found {
		return fmt.Errorf("medium %s: hugePages storage requested, but there is no resource request for huge pages", medium)
	}
	return nil
}
