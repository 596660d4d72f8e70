package worker

import (
	"context"
	"slices"
	"time"

	"google.golang.org/grpc/status"
	v1 "k8s.io/api/core/v1"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/podling/podling/kubelet/hook"
	"github.com/podling/podling/lifecycle"
	"github.com/podling/podling/runtime/fault"
)

// starting is one container on its way up.
type starting struct {
	*pass
	c      *v1.Container
	action lifecycle.Action
	id     string
	ref    string // of its image
	config *runtimeapi.ContainerConfig
	at     lifecycle.Start
}

// start brings a container up: its images, as lifecycle.ImageStep says, then the
// container, as lifecycle.NextStep does.
func (p *pass) start(ctx, patience context.Context, a lifecycle.Action) bool {
	spec := specOf(p.pod, a.Container)
	if spec == nil {
		return false // the plan was made from this very pod: there is no such container in it
	}
	if !p.sandboxStands(ctx) {
		return false // it is made anew first
	}
	if !p.dropUnstarted(ctx, spec.Name) {
		return false
	}
	s := &starting{pass: p, c: spec, action: a}
	ctx, patience = fault.For(ctx, p.pod, spec.Name, spec.Image), fault.For(patience, p.pod, spec.Name, spec.Image)
	if a.Backoff != nil {
		p.tell(func(o *lifecycle.Observed) { o.Backoffs = with(o.Backoffs, spec.Name, *a.Backoff) })
	}
	if !s.allImages(ctx, patience) {
		return false
	}
	for {
		step := lifecycle.NextStep(spec, s.at)
		s.say(step.Events)
		switch step.Verb {
		case lifecycle.StartDone:
			s.succeeded(ctx)
			return true
		case lifecycle.StartFailed:
			s.failed(ctx, patience, step, "")
			return false
		}
		if !s.do(ctx, patience, step.Verb) {
			return false // given up: the pod is to end
		}
	}
}

// dropUnstarted removes what an earlier start has made and not brought up: the
// runtime may still be about to, for a node that has lost patience or was started
// anew since, and then two of the container would run. False: it came up after all,
// or the runtime does not say or does not remove it.
func (p *pass) dropUnstarted(ctx context.Context, name string) bool {
	for _, c := range p.seen.Containers {
		if c.Name != name || c.State != lifecycle.Created {
			continue
		}
		err := p.refresh(ctx, c.SandboxID, bare(c.ID))
		if err == nil && slices.ContainsFunc(p.seen.Containers, func(is lifecycle.Container) bool { return is.ID == c.ID && is.State != lifecycle.Created }) {
			return false
		}
		if err == nil {
			err = p.node.Runtime.RemoveContainer(ctx, bare(c.ID))
		}
		if err != nil && !notFound(err) {
			p.criError(err)
			p.log().Error(err, "Removing a container that was made and not started; trying again", "container", name)
			p.node.Clock.Sleep(time.Second)
			return false
		}
		p.forget(c.ID)
	}
	return true
}

// do carries one step out; false if there is no patience left for it.
func (s *starting) do(ctx, patience context.Context, verb lifecycle.StepVerb) bool {
	switch verb {
	case lifecycle.Configure:
		var err error
		s.config, err = s.containerConfig(patience)
		s.at.Config = result("", err, true)
		return err == nil || patience.Err() == nil
	case lifecycle.PreCreate: // exclusive CPUs, memory and devices are out of scope: only a fault can fail here
		err := s.node.Faults.Strike(patience, fault.PreCreateContainer)
		s.at.PreCreate = result("", err, true)
		return err == nil || patience.Err() == nil
	case lifecycle.PreStart:
		err := s.node.Faults.Strike(patience, fault.PreStartContainer)
		s.at.PreStart = result("", err, true)
		return err == nil || patience.Err() == nil
	case lifecycle.CreateContainer:
		var err error
		if s.id, err = s.node.Runtime.CreateContainer(ctx, s.sandboxID(), s.config, s.sandbox); err != nil {
			s.lookAgain(ctx)
		}
		s.criError(err)
		s.at.Create = result(s.id, err, true)
	case lifecycle.RunContainer:
		err := s.node.Runtime.StartContainer(ctx, s.id)
		s.criError(err)
		s.at.Run = result("", err, true)
	case lifecycle.RunPostStart:
		err := s.node.Hooks.Run(patience, s.pod, s.c, s.id, s.podIP(), hook.PostStart, s.c.Lifecycle.PostStart)
		s.at.PostStart = result("", err, false)
		return err == nil || patience.Err() == nil
	}
	return true
}

// result of a step. plain: without what gRPC puts before the runtime's words.
func result(id string, err error, plain bool) *lifecycle.Result {
	switch {
	case err == nil:
		return &lifecycle.Result{ID: id}
	case plain:
		return &lifecycle.Result{Err: status.Convert(err).Message()}
	}
	return &lifecycle.Result{Err: err.Error()}
}

// succeeded: what failed before is forgotten, and so are ends that nobody needs to see any more.
func (s *starting) succeeded(ctx context.Context) {
	if err := s.refresh(ctx, s.sandboxID(), s.id); err != nil {
		s.log().Error(err, "Reading the status of a container that was started", "container", s.c.Name)
		if !notFound(err) { // it runs, as far as anybody knows: one that is not known of would be started again
			now := s.node.Clock.Now()
			c := lifecycle.Container{ID: s.fullID(), Name: s.c.Name, SandboxID: s.sandboxID(), Image: s.c.Image, ImageID: s.ref, Hash: lifecycle.Hash(s.c),
				State: lifecycle.Running, RestartCount: s.action.Restarts, CreatedAt: now, StartedAt: now}
			s.tell(func(o *lifecycle.Observed) { o.Containers = upsert(o.Containers, c) })
		}
	}
	s.tell(func(o *lifecycle.Observed) {
		o.Failures = without(o.Failures, s.c.Name)
		o.Started = s.fullID()
	})
	s.prune(ctx)
}

// failed takes down what came of a start that did not work. pulled is the image
// whose pull failed, or was held back.
func (s *starting) failed(ctx, patience context.Context, step lifecycle.Step, pulled string) {
	was := s.seen.Failures[s.c.Name]
	if was != nil && was.Reason != step.Reason {
		was = nil
	}
	f := s.fail(was, step.Reason, step.Message)
	f.Image = s.c.Image
	if step.PullFailed || step.Reason == lifecycle.ImagePullBackOff {
		f.Pull = pulled
	}
	if step.Kill {
		c := lifecycle.Container{ID: s.fullID(), Name: s.c.Name, SandboxID: s.sandboxID(), State: lifecycle.Running}
		s.tell(func(o *lifecycle.Observed) { o.Stopped = with(o.Stopped, c.ID, true) })
		s.kill(ctx, patience, c, lifecycle.Grace(s.pod), "FailedPostStartHook", nil)
	}
	if s.id != "" {
		read := s.refresh
		if step.Kill {
			read = s.ended
		}
		if err := read(ctx, s.sandboxID(), s.id); err == nil {
			if i := slices.IndexFunc(s.seen.Containers, func(c lifecycle.Container) bool { return bare(c.ID) == s.id }); i >= 0 &&
				s.seen.Containers[i].State == lifecycle.Exited {
				f.Exited = s.seen.Containers[i].ID
			}
		}
		s.prune(ctx)
	}
	s.tell(func(o *lifecycle.Observed) { o.Failures = with(o.Failures, s.c.Name, f) })
}

// fullID is the container's ID as the API has it.
func (s *starting) fullID() string { return s.node.RuntimeName + "://" + s.id }

// prune removes all but the newest two of the container: what runs, and how it
// ended the last time (upstream's limit: MaxPerPodContainer 1 in the garbage collector).
func (s *starting) prune(ctx context.Context) {
	kept := 0
	var drop []string
	for _, c := range s.seen.Containers {
		if c.Name != s.c.Name {
			continue
		}
		if kept++; kept > 2 && c.State != lifecycle.Running {
			drop = append(drop, c.ID)
		}
	}
	for _, id := range drop {
		if err := s.node.Runtime.RemoveContainer(ctx, bare(id)); err != nil && !notFound(err) {
			s.log().Error(err, "Removing a dead container; the next restart tries again", "container", id)
			continue
		}
		s.forget(id)
	}
}

func (p *pass) sandboxID() string {
	if len(p.seen.Sandboxes) == 0 {
		return ""
	}
	return p.seen.Sandboxes[0].ID
}

func (p *pass) podIPs() []string {
	if p.pod.Spec.HostNetwork {
		return p.node.HostIPs
	}
	return p.seen.Sandboxes[0].IPs
}
