package worker

import (
	"context"
	"errors"
	"maps"
	"strings"

	v1 "k8s.io/api/core/v1"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
	"k8s.io/klog/v2"

	"github.com/podling/podling/lifecycle"
)

// pass carries out one plan's actions. It works on what was known when the plan
// was made, and tells the worker each thing that it brings about.
type pass struct {
	*Worker
	pod  *v1.Pod
	seen lifecycle.Observed

	sandbox *runtimeapi.PodSandboxConfig
	handler string                 // of the runtime, that runs the pod; known with sandbox
	images  map[string]imageVolume // of the pod's volumes, by name; nil: not looked at yet
}

func (p *pass) log() klog.Logger {
	return klog.Background().WithValues("pod", klog.KObj(p.pod), "uid", p.uid)
}

// run carries the actions out in order. ctx lasts as long as a runtime call
// needs; patience ends when the pass is to be given up.
func (p *pass) run(ctx, patience context.Context, actions []lifecycle.Action) {
	for _, a := range actions {
		if patience.Err() != nil && a.Verb != lifecycle.KillPod {
			return
		}
		ok := p.do(ctx, patience, a)
		if !ok && a.Needed {
			return
		}
	}
}

// do carries one action out and says whether it worked.
func (p *pass) do(ctx, patience context.Context, a lifecycle.Action) bool {
	p.log().V(3).Info("Acting", "action", a.Verb, "container", a.Container, "cause", a.Cause)
	switch a.Verb {
	case lifecycle.MountVolumes:
		return p.mount(patience)
	case lifecycle.CreateSandbox:
		return p.createSandbox(ctx, patience, a)
	case lifecycle.StartContainer:
		return p.start(ctx, patience, a)
	case lifecycle.ResizePod:
		return p.resizePod()
	case lifecycle.ResizeContainer:
		return p.resize(ctx, a)
	case lifecycle.KillContainer:
		return p.killOne(ctx, patience, a)
	case lifecycle.RemoveContainer:
		return p.remove(ctx, patience, a)
	case lifecycle.StopPod:
		return p.stopPod(ctx, patience, a)
	case lifecycle.KillPod:
		if !p.stopPod(ctx, patience, a) {
			return false
		}
		p.tell(func(o *lifecycle.Observed) { o.Killed = true })
		return true
	case lifecycle.CleanUp:
		return p.cleanUp(patience)
	case lifecycle.DeletePod:
		p.node.Reporter.Delete(p.pod)
		p.tell(func(o *lifecycle.Observed) { o.Gone = true }) // the last step is the API's
		return true
	}
	p.log().Error(nil, "No such action", "action", a.Verb)
	return false
}

// tell makes a fact known to the worker and to the rest of this pass.
func (p *pass) tell(fact func(*lifecycle.Observed)) {
	fact(&p.seen)
	p.Tell(fact)
}

// untilDecided waits until the worker has decided on what it was told so far. What takes no
// time would be overtaken by what comes after it, and nobody would have seen it.
func (p *pass) untilDecided(patience context.Context) {
	decided := make(chan struct{})
	p.Tell(func(*lifecycle.Observed) { p.settling = append(p.settling, decided) })
	select {
	case <-decided:
	case <-patience.Done():
	}
}

// fail is a failure that follows was, if that was the same kind.
func (p *pass) fail(was *lifecycle.Failure, reason, message string) *lifecycle.Failure {
	f := &lifecycle.Failure{Reason: reason, Message: message, Attempts: 1, At: p.node.Clock.Now()}
	if was != nil {
		f.Attempts = was.Attempts + 1
	}
	return f
}

func (p *pass) mount(patience context.Context) bool {
	mounted, err := p.node.Volumes.Mount(patience, p.pod)
	if err != nil {
		if patience.Err() != nil {
			return false
		}
		f := p.fail(p.seen.Volumes.Failure, "FailedMount", err.Error())
		p.tell(func(o *lifecycle.Observed) { o.Volumes.Failure = f })
		return false
	}
	p.mounted = mounted
	p.tell(func(o *lifecycle.Observed) { o.Volumes = lifecycle.Volumes{Mounted: true} })
	return true
}

func (p *pass) cleanUp(patience context.Context) bool {
	err := errors.Join(p.node.Volumes.Unmount(patience, p.pod.UID), p.node.Cgroups.Remove(p.pod.UID))
	if err != nil {
		p.log().Error(err, "Cleaning up after the pod; trying again")
		f := p.fail(p.seen.CleanUp, "", err.Error())
		p.tell(func(o *lifecycle.Observed) { o.CleanUp = f })
		return false
	}
	p.node.Users.Release(patience, p.pod.UID)
	p.tell(func(o *lifecycle.Observed) { o.Cleaned = true })
	return true
}

// criError passes on that a call failed, should the runtime be away.
func (p *pass) criError(err error) {
	if err != nil && strings.Contains(err.Error(), "code = Unavailable") {
		p.node.CRIFailed(err)
	}
}

// event records an Event about one of the pod's containers.
func (p *pass) event(kind, reason, container, message string) {
	p.node.Event(p.pod, lifecycle.Event{Type: kind, Reason: reason, Container: container, Message: message})
}

// with gives m with k set to v, m itself unchanged: plans hold on to what they saw.
func with[V any](m map[string]V, k string, v V) map[string]V {
	out := maps.Clone(m)
	if out == nil {
		out = map[string]V{}
	}
	out[k] = v
	return out
}

func without[V any](m map[string]V, k string) map[string]V {
	out := maps.Clone(m)
	delete(out, k)
	return out
}
