package lifecycle

import (
	"fmt"

	v1 "k8s.io/api/core/v1"
)

// volumeMounts repeats the spec's mounts in the status, with what became of their
// wish to be read-only (KEP-3857; upstream: convertToAPIContainerStatuses in
// pkg/kubelet/kubelet_pods.go).
func volumeMounts(c *v1.Container, recursive bool) []v1.VolumeMountStatus {
	var out []v1.VolumeMountStatus
	for i := range c.VolumeMounts {
		m := &c.VolumeMounts[i]
		s := v1.VolumeMountStatus{Name: m.Name, MountPath: m.MountPath, ReadOnly: m.ReadOnly}
		if m.ReadOnly {
			mode := v1.RecursiveReadOnlyDisabled
			if is, err := RecursiveReadOnly(m, recursive); err == nil && is {
				mode = v1.RecursiveReadOnlyEnabled
			}
			s.RecursiveReadOnly = &mode
		}
		out = append(out, s)
	}
	return out
}

// RecursiveReadOnly says whether all that is mounted below a mount is read-only
// as well. What runs the pod may not be able to do that: then a mount that insists
// is an error (upstream: resolveRecursiveReadOnly in pkg/kubelet/kubelet_pods.go).
func RecursiveReadOnly(m *v1.VolumeMount, possible bool) (bool, error) {
	if m.RecursiveReadOnly == nil || *m.RecursiveReadOnly == v1.RecursiveReadOnlyDisabled {
		return false, nil
	}
	if !m.ReadOnly {
		return false, fmt.Errorf("volume %q requested recursive read-only mode, but it is not read-only", m.Name)
	}
	if m.MountPropagation != nil && *m.MountPropagation != v1.MountPropagationNone {
		return false, fmt.Errorf("volume %q requested recursive read-only mode, but it is not compatible with propagation %q",
			m.Name, *m.MountPropagation)
	}
	switch *m.RecursiveReadOnly {
	case v1.RecursiveReadOnlyIfPossible:
		return possible, nil
	case v1.RecursiveReadOnlyEnabled:
		if !possible {
			return false, fmt.Errorf("volume %q requested recursive read-only mode, but it is not supported by the runtime", m.Name)
		}
		return true, nil
	}
	return false, fmt.Errorf("unknown recursive read-only mode %q", *m.RecursiveReadOnly)
}
