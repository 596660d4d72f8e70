package volume

import (
	"fmt"
	"path/filepath"

	v1 "k8s.io/api/core/v1"
	"k8s.io/kubernetes/pkg/volume/util/hostutil"
	"k8s.io/kubernetes/pkg/volume/util/subpath"
	"k8s.io/kubernetes/pkg/volume/validation"
)

// CheckSubPath refuses paths that lead out of a volume by their text alone.
func CheckSubPath(subPath string) error {
	if filepath.IsAbs(subPath) {
		return fmt.Errorf("error SubPath `%s` must not be an absolute path", subPath)
	}
	if err := validation.ValidatePathNoBacksteps(subPath); err != nil {
		return fmt.Errorf("unable to provision SubPath `%s`: %w", subPath, err)
	}
	return nil
}

// SubPath gives the host path to bind for a mount with a subPath (an expanded
// subPathExpr): a bind mount of it, which no symbolic link inside the volume can
// lead astray any more. A folder that does not exist is made with the volume's
// own mode. Errors say nothing about the host's files, since everybody who can
// read the pod reads them (upstream: makeMounts in pkg/kubelet/kubelet_pods.go).
func (m *Manager) SubPath(pod *v1.Pod, container string, mountIndex int, from Mounted, subPath string) (string, error) {
	name, err := volumeOf(pod, container, mountIndex)
	if err != nil {
		return "", err
	}
	if err := CheckSubPath(subPath); err != nil {
		return "", err
	}
	if m.simulated {
		if m.leadsOut != nil && m.leadsOut(string(pod.UID), from.Path, subPath) {
			return "", unsafeSubPath(name, container)
		}
		return filepath.Join(from.Path, subPath), nil
	}
	host := hostutil.NewHostUtil()
	paths := subpath.New(m.mounts)
	path := filepath.Join(from.Path, subPath)
	if there, err := host.PathExists(path); err == nil && !there {
		mode, err := host.GetMode(from.Path)
		if err != nil {
			return "", err
		}
		if err := paths.SafeMakeDir(subPath, from.Path, mode); err != nil {
			return "", fmt.Errorf("failed to create subPath directory for volumeMount %q of container %q", name, container)
		}
	}
	bound, _, err := paths.PrepareSafeSubpath(subpath.Subpath{
		VolumeMountIndex: mountIndex,
		Path:             path,
		VolumeName:       from.Name,
		VolumePath:       from.Path,
		PodDir:           m.podDir(pod.UID),
		ContainerName:    container,
	})
	if err != nil {
		return "", unsafeSubPath(name, container)
	}
	return bound, nil
}

func unsafeSubPath(volume, container string) error {
	return fmt.Errorf("failed to prepare subPath for volumeMount %q of container %q", volume, container)
}

// volumeOf is the name of the volume that a container's mount is of.
func volumeOf(pod *v1.Pod, container string, mountIndex int) (string, error) {
	find := func(name string, mounts []v1.VolumeMount) (string, bool) {
		if name != container || mountIndex < 0 || mountIndex >= len(mounts) {
			return "", false
		}
		return mounts[mountIndex].Name, true
	}
	for _, list := range [][]v1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range list {
			if name, ok := find(list[i].Name, list[i].VolumeMounts); ok {
				return name, nil
			}
		}
	}
	for i := range pod.Spec.EphemeralContainers {
		c := &pod.Spec.EphemeralContainers[i]
		if name, ok := find(c.Name, c.VolumeMounts); ok {
			return name, nil
		}
	}
	return "", fmt.Errorf("pod %s/%s has no container %q with a volume mount %d", pod.Namespace, pod.Name, container, mountIndex)
}
