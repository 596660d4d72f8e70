package kubelet

import (
	"context"
	"errors"
	"fmt"
	"time"

	internalapi "k8s.io/cri-api/pkg/apis"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
	utilexec "k8s.io/utils/exec"

	"github.com/podling/podling/kubelet/worker"
	"github.com/podling/podling/runtime/fault"
	"github.com/podling/podling/runtime/sim"
)

// gates stand between a node process and the runtime: each call parks before it
// is made and before its caller hears of it. Faults strike between the two.
type gates struct {
	internalapi.RuntimeService
	of *nodeLife
}

// call makes a call. what names it; to those of one name the director must not be
// able to do different things.
func call[T any](ctx context.Context, of *nodeLife, what string, do func() (T, error)) (T, error) {
	var none T
	what = whose(ctx) + what
	if err := of.park(of, "%s", what); err != nil {
		return none, err
	}
	v, err := do()
	said := "well"
	if err != nil {
		said = err.Error()
	}
	if err := of.park(of, "%s: %s", what, said); err != nil {
		return none, err
	}
	return v, err
}

// do is a call without an answer.
func do(ctx context.Context, of *nodeLife, what string, f func() error) error {
	_, err := call(ctx, of, what, func() (struct{}, error) { return struct{}{}, f() })
	return err
}

func (g gates) RunPodSandbox(ctx context.Context, config *runtimeapi.PodSandboxConfig, handler string) (string, error) {
	name := config.GetMetadata().GetName()
	return call(ctx, g.of, name+": RunPodSandbox", func() (string, error) {
		id, err := g.RuntimeService.RunPodSandbox(ctx, config, handler)
		g.of.named(id, fmt.Sprintf("%s: sandbox %d", name, config.GetMetadata().GetAttempt()))
		return id, err
	})
}

func (g gates) StopPodSandbox(ctx context.Context, id string) error {
	return do(ctx, g.of, g.of.name(id)+" StopPodSandbox", func() error { return g.RuntimeService.StopPodSandbox(ctx, id) })
}

func (g gates) RemovePodSandbox(ctx context.Context, id string) error {
	return do(ctx, g.of, g.of.name(id)+" RemovePodSandbox", func() error { return g.RuntimeService.RemovePodSandbox(ctx, id) })
}

func (g gates) PodSandboxStatus(ctx context.Context, id string, verbose bool) (*runtimeapi.PodSandboxStatusResponse, error) {
	return call(ctx, g.of, g.of.name(id)+" PodSandboxStatus", func() (*runtimeapi.PodSandboxStatusResponse, error) {
		return g.RuntimeService.PodSandboxStatus(ctx, id, verbose)
	})
}

func (g gates) ListPodSandbox(ctx context.Context, filter *runtimeapi.PodSandboxFilter) ([]*runtimeapi.PodSandbox, error) {
	return call(ctx, g.of, g.of.pod(filter.GetLabelSelector())+": ListPodSandbox", func() ([]*runtimeapi.PodSandbox, error) {
		return g.RuntimeService.ListPodSandbox(ctx, filter)
	})
}

func (g gates) CreateContainer(ctx context.Context, sandbox string, config *runtimeapi.ContainerConfig, sandboxConfig *runtimeapi.PodSandboxConfig) (string, error) {
	name := fmt.Sprintf("%s: %s %d", sandboxConfig.GetMetadata().GetName(), config.GetMetadata().GetName(), config.GetMetadata().GetAttempt())
	return call(ctx, g.of, name+" CreateContainer", func() (string, error) {
		id, err := g.RuntimeService.CreateContainer(ctx, sandbox, config, sandboxConfig)
		g.of.named(id, name)
		return id, err
	})
}

func (g gates) StartContainer(ctx context.Context, id string) error {
	err := do(ctx, g.of, g.of.name(id)+" StartContainer", func() error {
		return g.of.start(id, func() error { return g.RuntimeService.StartContainer(ctx, id) })
	})
	if err == nil {
		g.of.started(id)
	}
	return err
}

func (g gates) StopContainer(ctx context.Context, id string, timeout int64) error {
	return do(ctx, g.of, fmt.Sprintf("%s StopContainer in %ds", g.of.name(id), timeout), func() error {
		return g.RuntimeService.StopContainer(ctx, id, timeout)
	})
}

func (g gates) RemoveContainer(ctx context.Context, id string) error {
	return do(ctx, g.of, g.of.name(id)+" RemoveContainer", func() error { return g.RuntimeService.RemoveContainer(ctx, id) })
}

func (g gates) ContainerStatus(ctx context.Context, id string, verbose bool) (*runtimeapi.ContainerStatusResponse, error) {
	return call(ctx, g.of, g.of.name(id)+" ContainerStatus", func() (*runtimeapi.ContainerStatusResponse, error) {
		return g.RuntimeService.ContainerStatus(ctx, id, verbose)
	})
}

func (g gates) ListContainers(ctx context.Context, filter *runtimeapi.ContainerFilter) ([]*runtimeapi.Container, error) {
	return call(ctx, g.of, g.of.pod(filter.GetLabelSelector())+": ListContainers", func() ([]*runtimeapi.Container, error) {
		return g.RuntimeService.ListContainers(ctx, filter)
	})
}

// ExecSync is a probe's: how it goes the director says.
func (g gates) ExecSync(ctx context.Context, id string, cmd []string, _ time.Duration) (stdout, stderr []byte, err error) {
	err = g.of.park(g.of, "%s ExecSync %s", g.of.name(id), cmd[0])
	if errors.Is(err, errProbeFails) {
		return nil, nil, utilexec.CodeExitError{Err: err, Code: 1}
	}
	return nil, nil, err
}

// errProbeFails is what the director lets a probe go on with that is to fail.
var errProbeFails = errors.New("the probe fails")

// imageGates are the same before the images.
type imageGates struct {
	internalapi.ImageManagerService
	of *nodeLife
}

func (g imageGates) ImageStatus(ctx context.Context, image *runtimeapi.ImageSpec, verbose bool) (*runtimeapi.ImageStatusResponse, error) {
	return call(ctx, g.of, fault.Container(ctx)+" ImageStatus "+image.GetImage()[:min(20, len(image.GetImage()))], func() (*runtimeapi.ImageStatusResponse, error) {
		return g.ImageManagerService.ImageStatus(ctx, image, verbose)
	})
}

func (g imageGates) PullImage(ctx context.Context, image *runtimeapi.ImageSpec, auth *runtimeapi.AuthConfig, config *runtimeapi.PodSandboxConfig) (string, error) {
	return call(ctx, g.of, fault.Container(ctx)+" PullImage "+image.GetImage(), func() (string, error) {
		return g.ImageManagerService.PullImage(ctx, image, auth, config)
	})
}

// events hands the runtime's news to the desk, one after the other.
func (n *nodeLife) events(ctx context.Context, r *sim.Runtime) {
	r.Events(ctx, nil, func(e *runtimeapi.ContainerEventResponse) {
		if n.park(n, "news: %s %s", n.subject(e), e.GetContainerEventType()) == nil {
			n.desk.event(e)
		}
	})
}

// subject is whom news are of. They may come before whoever made it knows its ID.
func (w *world) subject(e *runtimeapi.ContainerEventResponse) string {
	box := e.GetPodSandboxStatus().GetMetadata()
	if e.ContainerId == e.GetPodSandboxStatus().GetId() {
		return fmt.Sprintf("%s: sandbox %d", box.GetName(), box.GetAttempt())
	}
	for _, c := range e.ContainersStatuses {
		if c.Id == e.ContainerId {
			return fmt.Sprintf("%s: %s %d", box.GetName(), c.GetMetadata().GetName(), c.GetMetadata().GetAttempt())
		}
	}
	return w.name(e.ContainerId)
}

func (w *world) pod(labels map[string]string) string {
	if uid := labels[worker.LabelPodUID]; uid != "" {
		return uid[:2]
	}
	return "all"
}
