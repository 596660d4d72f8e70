package worker

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	v1 "k8s.io/api/core/v1"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/podling/podling/kubelet/dns"
	"github.com/podling/podling/kubelet/environment"
	"github.com/podling/podling/kubelet/volume"
	"github.com/podling/podling/lifecycle"
)

// mounts are the container's volumes, its hosts file and its message file
// (upstream: makeMounts in pkg/kubelet/kubelet_pods.go and in kuberuntime).
func (s *starting) mounts(env []*runtimeapi.KeyValue) ([]*runtimeapi.Mount, error) {
	var out []*runtimeapi.Mount
	hosts := (len(s.podIPs()) > 0 || s.pod.Spec.HostNetwork) && !s.node.Simulated
	for i := range s.c.VolumeMounts {
		hosts = hosts && s.c.VolumeMounts[i].MountPath != "/etc/hosts"
		m, err := s.volumeMount(i, env)
		if err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	if hosts {
		host, domain, err := dns.Hostname(s.pod, s.node.ClusterDomain)
		if err != nil {
			return nil, err
		}
		path, err := dns.HostsFile(s.node.PodDir(s.pod), s.pod, s.podIPs(), host, domain)
		if err != nil {
			return nil, err
		}
		out = append(out, &runtimeapi.Mount{HostPath: path, ContainerPath: "/etc/hosts"})
	}
	if s.c.TerminationMessagePath != "" {
		path, err := s.messageFile()
		if err != nil {
			return nil, err
		}
		out = append(out, &runtimeapi.Mount{HostPath: path, ContainerPath: absolute(s.c.TerminationMessagePath)})
	}
	if users := s.sandbox.Linux.SecurityContext.NamespaceOptions.UsernsOptions; users != nil {
		for _, m := range out {
			m.UidMappings, m.GidMappings = users.Uids, users.Gids
		}
	}
	return out, nil
}

// volumeMount is the container's i-th.
func (s *starting) volumeMount(i int, env []*runtimeapi.KeyValue) (*runtimeapi.Mount, error) {
	m := &s.c.VolumeMounts[i]
	image := s.images[m.Name].spec
	from, ready := s.mounted[m.Name]
	if image == nil && !ready {
		return nil, fmt.Errorf("cannot find volume %q to mount into container %q", m.Name, s.c.Name)
	}
	sub := m.SubPath
	var err error
	if m.SubPathExpr != "" {
		if sub, err = environment.ExpandPath(m.SubPathExpr, env); err != nil {
			return nil, err
		}
	}
	if err := volume.CheckSubPath(sub); err != nil {
		return nil, err
	}
	out := &runtimeapi.Mount{HostPath: from.Path, ContainerPath: absolute(m.MountPath), Readonly: m.ReadOnly || from.ReadOnly || image != nil}
	switch {
	case image != nil:
		out.Image, out.ImageSubPath = image, sub
	case sub != "":
		if out.HostPath, err = s.node.Volumes.SubPath(s.pod, s.c.Name, i, from, sub); err != nil {
			return nil, err
		}
	}
	if out.Propagation, err = propagationOf(m.MountPropagation); err != nil {
		return nil, err
	}
	if out.RecursiveReadOnly, err = lifecycle.RecursiveReadOnly(m, s.node.Handlers.RecursiveReadOnly(s.handler)); err != nil {
		return nil, fmt.Errorf("failed to resolve recursive read-only mode: %w", err)
	}
	return out, nil
}

// devices are the block devices that the container gets, for its volumeDevices
// (upstream: makeBlockVolumes in pkg/kubelet/kubelet_pods.go).
func (s *starting) devices() ([]*runtimeapi.Device, error) {
	var out []*runtimeapi.Device
	for _, d := range s.c.VolumeDevices {
		from, ready := s.mounted[d.Name]
		switch {
		case !filepath.IsAbs(d.DevicePath):
			return nil, fmt.Errorf("error DevicePath `%s` must be an absolute path", d.DevicePath)
		case !ready:
			return nil, fmt.Errorf("cannot find volume %q to pass into container %q", d.Name, s.c.Name)
		}
		permissions := "mrw"
		if from.ReadOnly {
			permissions = "r"
		}
		out = append(out, &runtimeapi.Device{HostPath: from.Path, ContainerPath: d.DevicePath, Permissions: permissions})
	}
	return out, nil
}

// volumeGroups are the groups that the pod's processes need for its volumes.
func (p *pass) volumeGroups() []int64 {
	var out []int64
	for _, name := range slices.Sorted(maps.Keys(p.mounted)) {
		if g := p.mounted[name].Group; g != nil && !slices.Contains(out, *g) {
			out = append(out, *g)
		}
	}
	return out
}

// absolute is a path in the container, seen from its root.
func absolute(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return "/" + path
}

// messageFile is the empty file that the container may write its last words to.
func (s *starting) messageFile() (string, error) {
	dir := filepath.Join(s.node.PodDir(s.pod), "containers", s.c.Name)
	path := filepath.Join(dir, strconv.Itoa(int(s.action.Restarts)))
	if s.node.Simulated {
		return path, nil
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return "", fmt.Errorf("folder for the termination message: %w", err)
	}
	if err := os.WriteFile(path, nil, 0o666); err != nil {
		return "", fmt.Errorf("termination message file: %w", err)
	}
	return path, os.Chmod(path, 0o666) // whatever the umask
}

func propagationOf(m *v1.MountPropagationMode) (runtimeapi.MountPropagation, error) {
	if m == nil {
		return runtimeapi.MountPropagation_PROPAGATION_PRIVATE, nil
	}
	switch *m {
	case v1.MountPropagationHostToContainer:
		return runtimeapi.MountPropagation_PROPAGATION_HOST_TO_CONTAINER, nil
	case v1.MountPropagationBidirectional:
		return runtimeapi.MountPropagation_PROPAGATION_BIDIRECTIONAL, nil
	case v1.MountPropagationNone:
		return runtimeapi.MountPropagation_PROPAGATION_PRIVATE, nil
	}
	return 0, fmt.Errorf("invalid MountPropagation mode: %q", *m)
}
