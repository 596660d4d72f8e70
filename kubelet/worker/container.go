package worker

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	v1 "k8s.io/api/core/v1"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/podling/podling/kubelet/cgroup"
	"github.com/podling/podling/kubelet/dns"
	"github.com/podling/podling/kubelet/environment"
	"github.com/podling/podling/kubelet/volume"
	"github.com/podling/podling/lifecycle"
)

func (n *Node) containerConfig(ctx context.Context, pod *v1.Pod, c *v1.Container, ref string, restarts int32, podIPs []string, volumes map[string]string, images map[string]*runtimeapi.ImageSpec) (*runtimeapi.ContainerConfig, error) {
	env, err := n.Environment.Make(ctx, pod, c, podIPs, n.HostIPs, n.Name, volumes)
	if err != nil {
		return nil, err
	}
	mounts, err := n.mounts(pod, c, restarts, podIPs, volumes, images, env)
	if err != nil {
		return nil, err
	}
	uid, username, err := n.Images.User(ctx, ref)
	if err != nil {
		return nil, err
	}
	if err := verifyNonRoot(pod, c, uid, username); err != nil {
		return nil, err
	}
	security, err := containerSecurity(pod, c, uid, username)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Join(n.PodLogs(pod), c.Name), 0o755); err != nil {
		return nil, fmt.Errorf("create container log directory for container %s failed: %w", c.Name, err)
	}
	given, err := json.Marshal(c.Resources)
	if err != nil {
		return nil, fmt.Errorf("resources of container %s: %w", c.Name, err)
	}
	config := &runtimeapi.ContainerConfig{
		Metadata:   &runtimeapi.ContainerMetadata{Name: c.Name, Attempt: uint32(restarts)},
		Image:      &runtimeapi.ImageSpec{Image: ref, UserSpecifiedImage: c.Image},
		Command:    environment.Expand(c.Command, env),
		Args:       environment.Expand(c.Args, env),
		WorkingDir: c.WorkingDir,
		Envs:       env,
		Mounts:     mounts,
		Labels: map[string]string{LabelPodName: pod.Name, LabelPodNamespace: pod.Namespace, LabelPodUID: string(pod.UID),
			labelContainerName: c.Name},
		Annotations: map[string]string{annotationHash: lifecycle.Hash(c), annotationRestartCount: strconv.Itoa(int(restarts)), annotationResources: string(given),
			annotationMessagePath: c.TerminationMessagePath, annotationMessagePolicy: string(c.TerminationMessagePolicy)},
		LogPath:   filepath.Join(c.Name, fmt.Sprintf("%d.log", restarts)),
		Stdin:     c.Stdin,
		StdinOnce: c.StdinOnce,
		Tty:       c.TTY,
		Linux:     &runtimeapi.LinuxContainerConfig{Resources: cgroup.ContainerResources(pod, c, n.Memory), SecurityContext: security},
	}
	if c.Lifecycle != nil && c.Lifecycle.StopSignal != nil {
		config.StopSignal = runtimeapi.Signal(runtimeapi.Signal_value[string(*c.Lifecycle.StopSignal)])
	}
	return config, nil
}

// mounts are the container's volumes, its hosts file and its message file
// (upstream: makeMounts in pkg/kubelet/kubelet_pods.go and in kuberuntime).
func (n *Node) mounts(pod *v1.Pod, c *v1.Container, restarts int32, podIPs []string, volumes map[string]string, images map[string]*runtimeapi.ImageSpec, env []*runtimeapi.KeyValue) ([]*runtimeapi.Mount, error) {
	var out []*runtimeapi.Mount
	hosts := len(podIPs) > 0 || pod.Spec.HostNetwork
	for i, m := range c.VolumeMounts {
		if img := images[m.Name]; img != nil {
			out = append(out, &runtimeapi.Mount{ContainerPath: m.MountPath, Readonly: true, Image: img, ImageSubPath: m.SubPath})
			continue
		}
		path, ok := volumes[m.Name]
		if !ok {
			return nil, fmt.Errorf("cannot find volume %q to mount into container %q", m.Name, c.Name)
		}
		hosts = hosts && m.MountPath != "/etc/hosts"
		if m.SubPath != "" || m.SubPathExpr != "" {
			var err error
			if path, err = n.subPath(pod, c, i, path, env); err != nil {
				return nil, err
			}
		}
		propagation, err := propagationOf(m.MountPropagation)
		if err != nil {
			return nil, err
		}
		target := m.MountPath
		if !filepath.IsAbs(target) {
			target = "/" + target
		}
		out = append(out, &runtimeapi.Mount{HostPath: path, ContainerPath: target, Readonly: m.ReadOnly || volume.ReadOnly(pod, m.Name), Propagation: propagation})
	}
	if hosts {
		host, domain, err := dns.Hostname(pod, n.ClusterDomain)
		if err != nil {
			return nil, err
		}
		path, err := dns.HostsFile(n.PodDir(pod), pod, podIPs, host, domain)
		if err != nil {
			return nil, err
		}
		out = append(out, &runtimeapi.Mount{HostPath: path, ContainerPath: "/etc/hosts"})
	}
	if c.TerminationMessagePath != "" {
		path, err := n.messageFile(pod, c, restarts)
		if err != nil {
			return nil, err
		}
		out = append(out, &runtimeapi.Mount{HostPath: path, ContainerPath: c.TerminationMessagePath})
	}
	return out, nil
}

// subPath resolves the i-th mount's subPath, or its expression over the environment.
func (n *Node) subPath(pod *v1.Pod, c *v1.Container, i int, volume string, env []*runtimeapi.KeyValue) (string, error) {
	m := c.VolumeMounts[i]
	sub := m.SubPath
	if m.SubPathExpr != "" {
		var err error
		if sub, err = environment.ExpandPath(m.SubPathExpr, env); err != nil {
			return "", err
		}
	}
	return n.Volumes.SubPath(pod, c.Name, i, volume, sub)
}

// messageFile is the empty file that the container may write its last words to.
func (n *Node) messageFile(pod *v1.Pod, c *v1.Container, restarts int32) (string, error) {
	dir := filepath.Join(n.PodDir(pod), "containers", c.Name)
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return "", fmt.Errorf("folder for the termination message: %w", err)
	}
	path := filepath.Join(dir, strconv.Itoa(int(restarts)))
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
