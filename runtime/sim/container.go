package sim

import (
	"context"
	"path/filepath"
	"slices"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
	utilclock "k8s.io/utils/clock"

	"github.com/podling/podling/runtime/sim/script"
	"github.com/podling/podling/runtime/sim/shell"
)

// container is one, from its creation to its removal.
type container struct {
	r       *Runtime
	id      string
	seq     uint64
	sandbox *sandbox
	config  *runtimeapi.ContainerConfig
	image   *image
	run     script.Run

	// Guarded by the runtime's mu.
	state                            runtimeapi.ContainerState
	createdAt, startedAt, finishedAt int64
	exitCode                         int32
	reason, message                  string
	oom, removed, starting           bool
	resources                        *runtimeapi.LinuxContainerResources
	timers                           []utilclock.Timer
	waiters                          []*waiter
	inside                           *shell.Machine
	first                            *shell.Proc // nil: the container goes by its script

	log log
}

func (r *Runtime) findContainer(id string) (*container, error) {
	if c := r.containers[id]; c != nil {
		return c, nil
	}
	return nil, status.Errorf(codes.NotFound, "an error occurred when try to find container %q: not found", id)
}

// CreateContainer is the CRI's.
func (r *Runtime) CreateContainer(ctx context.Context, sandboxID string, config *runtimeapi.ContainerConfig, _ *runtimeapi.PodSandboxConfig) (string, error) {
	r.mu.Lock()
	s, err := r.findSandbox(sandboxID)
	var i *image
	if err == nil && s.wrong != nil {
		err = status.Error(codes.InvalidArgument, s.wrong.Error())
	}
	if err == nil {
		if i = r.find(config.GetImage().GetImage()); i == nil {
			err = status.Errorf(codes.NotFound, "failed to resolve image %q: not found", config.GetImage().GetImage())
		}
	}
	profiles := r.profiles
	r.mu.Unlock()
	if err != nil {
		return "", err
	}
	c := &container{r: r, sandbox: s, config: config, image: i}
	asked := config.GetImage().GetUserSpecifiedImage()
	if asked == "" {
		asked = config.GetImage().GetImage()
	}
	names := i.asked(asked)
	c.run = r.scriptOf(profiles, s.script, config.GetMetadata().GetName(), s.config, names).At(int(config.GetMetadata().GetAttempt()))
	if step := c.run.Create; step != nil {
		if err := r.delay(ctx, time.Duration(step.Took)); err != nil {
			return "", status.FromContextError(err).Err()
		}
		if step.Error != "" {
			return "", status.Error(codes.Unknown, step.Error)
		}
	}
	if args, own := command(config, i); len(args) == 0 && !own && !c.run.Replaces() {
		return "", status.Errorf(codes.Unknown, "failed to generate container spec: failed to apply OCI options: no command specified")
	}
	now := r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.sandboxes[sandboxID] == nil || s.state != runtimeapi.PodSandboxState_SANDBOX_READY {
		return "", status.Errorf(codes.Unknown, "sandbox container %q is not running", sandboxID)
	}
	c.id, c.seq = r.id()
	c.createdAt, c.resources = now, config.GetLinux().GetResources()
	s.containers = append(s.containers, c)
	s.pod.containers = append(s.pod.containers, c)
	r.containers[c.id] = c
	r.tell(c.id, s, runtimeapi.ContainerEventType_CONTAINER_CREATED_EVENT, now)
	return c.id, nil
}

// logPath is the container's log, "" for none.
func (c *container) logPath() string {
	if c.config.GetLogPath() == "" || c.sandbox.config.GetLogDirectory() == "" {
		return ""
	}
	return filepath.Join(c.sandbox.config.LogDirectory, c.config.LogPath)
}

// imageName is the image as statuses show it.
func (c *container) imageName() string {
	if len(c.image.names) > 0 {
		return c.image.names[0]
	}
	return c.image.digest
}

// status is what is known of the container. Called with r.mu held.
func (c *container) status() *runtimeapi.ContainerStatus {
	out := &runtimeapi.ContainerStatus{
		Id: c.id, Metadata: c.config.GetMetadata(), State: c.state, CreatedAt: c.createdAt, StartedAt: c.startedAt, FinishedAt: c.finishedAt,
		ExitCode: c.exitCode, Reason: c.reason, Message: c.message, Labels: c.config.GetLabels(), Annotations: c.config.GetAnnotations(),
		Image:    &runtimeapi.ImageSpec{Image: c.imageName(), UserSpecifiedImage: c.config.GetImage().GetUserSpecifiedImage()},
		ImageRef: c.image.digest, ImageId: c.image.id, Mounts: c.config.GetMounts(), LogPath: c.logPath(), StopSignal: c.config.GetStopSignal(),
	}
	if c.resources != nil {
		out.Resources = &runtimeapi.ContainerResources{Linux: c.resources}
	}
	uid, gid, groups := c.user()
	out.User = &runtimeapi.ContainerUser{Linux: &runtimeapi.LinuxContainerUser{Uid: uid, Gid: gid, SupplementalGroups: groups}}
	return out
}

func (c *container) user() (uid, gid int64, groups []int64) {
	security := c.config.GetLinux().GetSecurityContext()
	uid, gid = security.GetRunAsUser().GetValue(), security.GetRunAsGroup().GetValue()
	groups = append([]int64{gid}, security.GetSupplementalGroups()...)
	slices.Sort(groups)
	return uid, gid, slices.Compact(groups)
}

// ContainerStatus is the CRI's.
func (r *Runtime) ContainerStatus(_ context.Context, id string, _ bool) (*runtimeapi.ContainerStatusResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c, err := r.findContainer(id)
	if err != nil {
		return nil, err
	}
	return &runtimeapi.ContainerStatusResponse{Status: c.status()}, nil
}

// ListContainers lists the older ones first.
func (r *Runtime) ListContainers(_ context.Context, filter *runtimeapi.ContainerFilter) ([]*runtimeapi.Container, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []*runtimeapi.Container
	for _, c := range r.chosen(filter.GetId(), filter.GetPodSandboxId(), filter.GetLabelSelector()) {
		if filter.GetState() != nil && filter.State.State != c.state {
			continue
		}
		out = append(out, &runtimeapi.Container{Id: c.id, PodSandboxId: c.sandbox.id, Metadata: c.config.GetMetadata(), State: c.state, CreatedAt: c.createdAt,
			Image:    &runtimeapi.ImageSpec{Image: c.imageName(), UserSpecifiedImage: c.config.GetImage().GetUserSpecifiedImage()},
			ImageRef: c.image.id, ImageId: c.image.id, Labels: c.config.GetLabels(), Annotations: c.config.GetAnnotations()})
	}
	return out, nil
}

// chosen are the containers that match, found by the shortest way. Called with r.mu held.
func (r *Runtime) chosen(id, sandboxID string, selector map[string]string) []*container {
	var from []*container
	switch uid := selector[labelPodUID]; {
	case id != "":
		if c := r.containers[id]; c != nil {
			from = []*container{c}
		}
	case sandboxID != "":
		if s := r.sandboxes[sandboxID]; s != nil {
			from = s.containers
		}
	case uid != "":
		if p := r.pods[uid]; p != nil {
			from = p.containers
		}
	default:
		from = inOrder(r.containers, func(c *container) uint64 { return c.seq })
	}
	var out []*container
	for _, c := range from {
		if (sandboxID == "" || c.sandbox.id == sandboxID) && selects(selector, c.config.GetLabels()) {
			out = append(out, c)
		}
	}
	return out
}

// RemoveContainer ends a container that runs, and removes it.
func (r *Runtime) RemoveContainer(ctx context.Context, id string) error {
	r.mu.Lock()
	c := r.containers[id]
	r.mu.Unlock()
	if c == nil { // the call may be repeated
		return nil
	}
	if err := r.end(ctx, c, 0); err != nil {
		return err
	}
	now := r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.containers[id] == nil {
		return nil
	}
	c.removed = true
	delete(r.containers, id)
	gone := func(other *container) bool { return other == c }
	c.sandbox.containers = slices.DeleteFunc(c.sandbox.containers, gone)
	c.sandbox.pod.containers = slices.DeleteFunc(c.sandbox.pod.containers, gone)
	r.tell(id, c.sandbox, runtimeapi.ContainerEventType_CONTAINER_DELETED_EVENT, now)
	return nil
}

// UpdateContainerResources notes what the container is given from now on.
func (r *Runtime) UpdateContainerResources(_ context.Context, id string, resources *runtimeapi.ContainerResources) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	c, err := r.findContainer(id)
	if err != nil {
		return err
	}
	if c.state != runtimeapi.ContainerState_CONTAINER_RUNNING && c.state != runtimeapi.ContainerState_CONTAINER_CREATED {
		return status.Errorf(codes.Unknown, "failed to update resources: container is in %v state", c.state)
	}
	given := resources.GetLinux()
	if given == nil {
		return nil
	}
	c.resources = merged(c.resources, given)
	if c.inside != nil {
		c.inside.SetMemory(c.resources.GetMemoryLimitInBytes())
	}
	return nil
}

// merged puts what is given over what was: a zero leaves it as it was.
func merged(was, given *runtimeapi.LinuxContainerResources) *runtimeapi.LinuxContainerResources {
	out := &runtimeapi.LinuxContainerResources{}
	for _, from := range []*runtimeapi.LinuxContainerResources{was, given} {
		if from == nil {
			continue
		}
		for _, value := range []struct{ to, from *int64 }{
			{&out.CpuPeriod, &from.CpuPeriod}, {&out.CpuQuota, &from.CpuQuota}, {&out.CpuShares, &from.CpuShares},
			{&out.MemoryLimitInBytes, &from.MemoryLimitInBytes}, {&out.OomScoreAdj, &from.OomScoreAdj}, {&out.MemorySwapLimitInBytes, &from.MemorySwapLimitInBytes},
		} {
			if *value.from != 0 {
				*value.to = *value.from
			}
		}
		if from.CpusetCpus != "" {
			out.CpusetCpus = from.CpusetCpus
		}
		if from.CpusetMems != "" {
			out.CpusetMems = from.CpusetMems
		}
		if len(from.HugepageLimits) > 0 {
			out.HugepageLimits = from.HugepageLimits
		}
		if len(from.Unified) > 0 {
			out.Unified = from.Unified
		}
	}
	return out
}
