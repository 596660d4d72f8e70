package volume

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/component-helpers/storage/ephemeral"
	csitranslation "k8s.io/csi-translation-lib"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/volume"
	"k8s.io/kubernetes/pkg/volume/csimigration"
	volumeutil "k8s.io/kubernetes/pkg/volume/util"
)

// source is what one of a pod's volumes is made from.
type source struct {
	spec  *volume.Spec
	group string // the volume's files belong to it, by the volume's annotation; "" for none
	block bool   // the containers get the device itself, not what is on it
}

// source follows the volume to what it is made from: itself, or what its claim is
// bound to, in terms of CSI where Kubernetes has handed the type over to it.
// mounts and devices are the names that containers use volumes by. Errors have
// upstream's words (createVolumeSpec in pkg/kubelet/volumemanager/populator).
func (h *host) source(pod *v1.Pod, v *v1.Volume, mounts, devices sets.Set[string]) (source, error) {
	claim, readOnly := "", false
	switch {
	case v.PersistentVolumeClaim != nil:
		claim, readOnly = v.PersistentVolumeClaim.ClaimName, v.PersistentVolumeClaim.ReadOnly
	case v.Ephemeral != nil:
		claim = ephemeral.VolumeClaimName(pod, v)
	default:
		spec, err := asCSI(volume.NewSpecFromVolume(v.DeepCopy()), pod.Namespace) // plugins may write to it
		return source{spec: spec}, err
	}
	pvc, pv, err := h.bound(pod.Namespace, claim)
	if err != nil {
		return source{}, fmt.Errorf("error processing PVC %s/%s: %w", pod.Namespace, claim, err)
	}
	if v.Ephemeral != nil {
		if err := ephemeral.VolumeIsForPod(pod, pvc); err != nil {
			return source{}, err
		}
	}
	spec, err := asCSI(volume.NewSpecFromPersistentVolume(pv, readOnly), pod.Namespace)
	if err != nil {
		return source{}, err
	}
	mode, err := volumeutil.GetVolumeMode(spec)
	switch {
	case err != nil:
		return source{}, err
	case mounts.Has(v.Name) && mode != v1.PersistentVolumeFilesystem:
		return source{}, fmt.Errorf("volume %s has volumeMode %s, but is specified in volumeMounts", v.Name, mode)
	case devices.Has(v.Name) && mode != v1.PersistentVolumeBlock:
		return source{}, fmt.Errorf("volume %s has volumeMode %s, but is specified in volumeDevices", v.Name, mode)
	}
	return source{spec: spec, group: pv.Annotations[volumeutil.VolumeGidAnnotationKey], block: mode == v1.PersistentVolumeBlock}, nil
}

// bound gives a claim and the volume that it is bound to, both sides of which
// must say so.
func (h *host) bound(namespace, claim string) (*v1.PersistentVolumeClaim, *v1.PersistentVolume, error) {
	pvc, err := h.reader.Claim(h.ctx, namespace, claim)
	switch {
	case err != nil:
		return nil, nil, fmt.Errorf("failed to fetch PVC from API server: %w", err)
	case pvc.DeletionTimestamp != nil && !slices.Contains(pvc.Finalizers, volumeutil.PVCProtectionFinalizer):
		return nil, nil, errors.New("PVC is being deleted")
	case pvc.Status.Phase != v1.ClaimBound:
		return nil, nil, errors.New("PVC is not bound")
	case pvc.Spec.VolumeName == "":
		return nil, nil, errors.New("PVC has empty pvc.Spec.VolumeName")
	}
	name := pvc.Spec.VolumeName
	pv, err := h.reader.Volume(h.ctx, name)
	switch {
	case err != nil:
		return nil, nil, fmt.Errorf("failed to fetch PV %s from API server: %w", name, err)
	case pv.Spec.ClaimRef == nil:
		return nil, nil, fmt.Errorf("found PV object %s but it has a nil pv.Spec.ClaimRef indicating it is not yet bound to the claim", name)
	case pv.Spec.ClaimRef.UID != pvc.UID:
		return nil, nil, fmt.Errorf("found PV object %s but its pv.Spec.ClaimRef.UID %s does not point to claim.UID %s", name, pv.Spec.ClaimRef.UID, pvc.UID)
	}
	return pvc, pv, nil
}

// asCSI translates the types that became CSI drivers (KEP-625).
func asCSI(spec *volume.Spec, namespace string) (*volume.Spec, error) {
	translator := csitranslation.New()
	moved, err := csimigration.NewPluginManager(translator).IsMigratable(spec)
	if err != nil || !moved {
		return spec, err
	}
	return csimigration.TranslateInTreeSpecToCSI(klog.Background(), spec, namespace, translator)
}

// extraGroup is the group of a volume's annotation, if it is one that the pod does
// not have already; nil for none (upstream: getExtraSupplementalGID).
func extraGroup(annotation string, pod *v1.Pod) *int64 {
	group, err := strconv.ParseInt(annotation, 10, 64)
	if err != nil || pod.Spec.SecurityContext != nil && slices.Contains(pod.Spec.SecurityContext.SupplementalGroups, group) {
		return nil
	}
	return &group
}
