package worker

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/podling/podling/kubelet/cgroup"
	"github.com/podling/podling/kubelet/environment"
	"github.com/podling/podling/lifecycle"
	"github.com/podling/podling/runtime/sim/script"
)

// containerConfig is what the runtime is told about the container (upstream:
// generateContainerConfig in pkg/kubelet/kuberuntime/kuberuntime_container.go).
func (s *starting) containerConfig(ctx context.Context) (*runtimeapi.ContainerConfig, error) {
	n, pod, c, restarts := s.node, s.pod, s.c, s.action.Restarts
	if n.Simulated {
		if _, err := script.OfPod(pod.Annotations); err != nil {
			return nil, err
		}
	}
	if s.sandbox == nil { // the sandbox is older than this pass
		parent, err := s.cgroup(ctx)
		if err != nil {
			return nil, err
		}
		config, err := s.sandboxConfig(ctx, s.seen.Sandboxes[0].Attempt, parent)
		if err != nil {
			return nil, err
		}
		s.pass.sandbox = config
	}
	target, err := s.target()
	if err != nil {
		return nil, err
	}
	devices, err := s.devices()
	if err != nil {
		return nil, err
	}
	paths := map[string]string{}
	for name, v := range s.mounted {
		paths[name] = v.Path
	}
	env, err := n.Environment.Make(ctx, pod, c, s.podIPs(), n.HostIPs, n.Name, paths)
	if err != nil {
		return nil, err
	}
	mounts, err := s.mounts(env)
	if err != nil {
		return nil, err
	}
	uid, username, err := n.Images.User(ctx, s.ref)
	if err != nil {
		return nil, err
	}
	if err := verifyNonRoot(pod, c, uid, username); err != nil {
		return nil, err
	}
	security, err := n.containerSecurity(pod, c, uid, username)
	if err != nil {
		return nil, err
	}
	security.SupplementalGroups = append(security.SupplementalGroups, s.volumeGroups()...)
	security.NamespaceOptions = target.in(s.sandbox.Linux.SecurityContext.NamespaceOptions)
	if !n.Simulated { // of one that is, the first line of its log makes the folder
		if err := os.MkdirAll(filepath.Join(n.PodLogs(pod), c.Name), 0o755); err != nil {
			return nil, fmt.Errorf("create container log directory for container %s failed: %w", c.Name, err)
		}
	}
	given, err := json.Marshal(c.Resources)
	if err != nil {
		return nil, fmt.Errorf("resources of container %s: %w", c.Name, err)
	}
	config := &runtimeapi.ContainerConfig{
		Metadata:   &runtimeapi.ContainerMetadata{Name: c.Name, Attempt: uint32(restarts)},
		Image:      &runtimeapi.ImageSpec{Image: s.ref, UserSpecifiedImage: c.Image},
		Command:    environment.Expand(c.Command, env),
		Args:       environment.Expand(c.Args, env),
		WorkingDir: c.WorkingDir,
		Envs:       env,
		Mounts:     mounts,
		Devices:    devices,
		Labels: map[string]string{LabelPodName: pod.Name, LabelPodNamespace: pod.Namespace, LabelPodUID: string(pod.UID),
			LabelContainerName: c.Name},
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

// target is the running container whose processes an ephemeral container is to
// see, "" for none.
type target string

// target finds the container that an ephemeral one names (upstream: getTargetID).
func (s *starting) target() (target, error) {
	for i := range s.pod.Spec.EphemeralContainers {
		e := &s.pod.Spec.EphemeralContainers[i]
		if e.Name != s.c.Name || e.TargetContainerName == "" {
			continue
		}
		for _, c := range s.seen.Containers { // newest first
			if c.Name == e.TargetContainerName {
				return target(bare(c.ID)), nil
			}
		}
		return "", fmt.Errorf("unable to find target container %v", e.TargetContainerName)
	}
	return "", nil
}

// in gives the pod's namespaces as the container gets them: with the target's
// processes, unless all of the pod's containers share theirs.
func (t target) in(pod *runtimeapi.NamespaceOption) *runtimeapi.NamespaceOption {
	if t == "" || pod.Pid != runtimeapi.NamespaceMode_CONTAINER {
		return pod
	}
	return &runtimeapi.NamespaceOption{
		Network: pod.Network, Ipc: pod.Ipc, UsernsOptions: pod.UsernsOptions,
		Pid: runtimeapi.NamespaceMode_TARGET, TargetId: string(t),
	}
}
