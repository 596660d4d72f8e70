package survive

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/podling/podling/conformance/launch"
)

// A Fault is what is done to a cluster at some step.
type Fault struct {
	Name, Did string
	// Apart: it needs a node apart from its API server.
	Apart bool
	// breaks: the pod that it is done to loses its containers, and begins anew.
	breaks bool
	steps  []string // at which it can be done; nil: all

	// strike does it and gives what the runtime had then.
	strike func(ctx context.Context, g *Ground, number int, subject string) (held, error)
	// mend does what people would do after it; nil: nothing.
	mend func(ctx context.Context, g *Ground) error
}

// At says whether the fault can be done at the step.
func (f Fault) At(s Step) bool { return f.steps == nil || slices.Contains(f.steps, s.Name) }

// Faults are those that can be done at any step.
var Faults = []Fault{
	{
		Name: "podling", Did: "kill -9 of podling, which is started again",
		strike: func(ctx context.Context, g *Ground, number int, _ string) (held, error) {
			if err := kill(g.node); err != nil {
				return held{}, err
			}
			return g.held(ctx, number) // containerd goes on by itself
		},
		mend: func(ctx context.Context, g *Ground) error { return g.upPlane(ctx) },
	},
	{
		Name: "api-server", Did: "kill -9 of the control plane under a node that joined it, and a start at the same address", Apart: true,
		strike: func(ctx context.Context, g *Ground, number int, _ string) (held, error) {
			if err := kill(g.plane); err != nil {
				return held{}, err
			}
			return g.held(ctx, number)
		},
		mend: func(ctx context.Context, g *Ground) error { return g.upPlane(ctx) },
	},
	{
		Name: "containerd", Did: "kill -9 of containerd, which podling starts again",
		strike: func(ctx context.Context, g *Ground, number int, _ string) (held, error) {
			h, err := g.held(ctx, number)
			if err != nil {
				return h, err
			}
			pid, err := launch.Containerd(g.data())
			if err != nil {
				return h, err
			}
			return h, syscall.Kill(pid, syscall.SIGKILL)
		},
	},
	{
		Name: "shim", Did: "kill -9 of the pod's containerd-shim", breaks: true,
		steps: []string{"container created", "container started", "ready", "deletion asked", "SIGTERM or preStop", "container exited"},
		strike: func(ctx context.Context, g *Ground, number int, subject string) (held, error) {
			h, err := g.held(ctx, number)
			if err != nil || len(h.ready[subject]) == 0 {
				return h, errors.Join(err, need(h.ready[subject], subject))
			}
			pid, err := g.shim(h.ready[subject][0])
			if err != nil {
				return h, err
			}
			return h, syscall.Kill(pid, syscall.SIGKILL)
		},
	},
	{
		Name: "sandbox", Did: "the pod's sandbox stopped and removed by somebody else", breaks: true,
		steps: []string{"container created", "container started", "ready", "deletion asked", "SIGTERM or preStop"},
		strike: func(ctx context.Context, g *Ground, number int, subject string) (held, error) {
			h, err := g.held(ctx, number)
			if err != nil || len(h.ready[subject]) == 0 {
				return h, errors.Join(err, need(h.ready[subject], subject))
			}
			id := h.ready[subject][0]
			if err := g.runtime.StopPodSandbox(ctx, id); err != nil {
				return h, err
			}
			err = g.runtime.RemovePodSandbox(ctx, id)
			if err != nil && strings.Contains(err.Error(), "already in removing state") {
				err = nil // the node was as quick
			}
			return h, err
		},
	},
	{
		Name: "image", Did: "the image removed behind the node's back, and a container of it that runs ended", breaks: true,
		steps: []string{"sandbox created", "container created", "ready"},
		strike: func(ctx context.Context, g *Ground, number int, subject string) (held, error) {
			h, err := g.held(ctx, number)
			if err == nil {
				err = g.runtime.RemoveImage(ctx, &runtimeapi.ImageSpec{Image: image})
			}
			if ids := h.running[subject+"/main"]; err == nil && len(ids) > 0 {
				err = g.runtime.StopContainer(ctx, ids[0], grace)
			}
			return h, err
		},
	},
	{
		Name: "away", Did: "the control plane under a node that joined it is killed, and stays away for a while", Apart: true,
		steps: []string{"container started", "ready", "SIGTERM or preStop"},
		strike: func(ctx context.Context, g *Ground, number int, _ string) (held, error) {
			if err := kill(g.plane); err != nil {
				return held{}, err
			}
			h, err := g.held(ctx, number)
			if err != nil {
				return h, err
			}
			select {
			case <-time.After(g.away):
			case <-ctx.Done():
			}
			return h, ctx.Err()
		},
		mend: func(ctx context.Context, g *Ground) error { return g.upPlane(ctx) },
	},
}

func need(sandboxes []string, pod string) error {
	if len(sandboxes) == 0 {
		return fmt.Errorf("%s has no sandbox to break", pod)
	}
	return nil
}

// shim is the process that minds a sandbox's containers.
func (g *Ground) shim(sandbox string) (int, error) {
	found, err := g.shims()
	if err != nil {
		return 0, err
	}
	for _, line := range found {
		pid, args, _ := strings.Cut(strings.TrimPrefix(line, "process "), ":")
		if strings.Contains(args, sandbox) {
			return strconv.Atoi(pid)
		}
	}
	return 0, fmt.Errorf("sandbox %s has no shim", sandbox)
}
