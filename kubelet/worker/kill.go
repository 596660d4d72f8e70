package worker

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	v1 "k8s.io/api/core/v1"

	"github.com/podling/podling/clock"
	"github.com/podling/podling/kubelet/hook"
	"github.com/podling/podling/lifecycle"
	"github.com/podling/podling/runtime/fault"
)

// bare is a container ID without the runtime's name.
func bare(id string) string {
	_, after, found := strings.Cut(id, "://")
	if !found {
		return id
	}
	return after
}

func notFound(err error) bool { return status.Code(err) == codes.NotFound }

// stopPod ends every container that may run, side by side, and then the
// sandboxes (upstream: killPodWithSyncResult in
// pkg/kubelet/kuberuntime/kuberuntime_manager.go).
func (p *pass) stopPod(ctx, patience context.Context, a lifecycle.Action) bool {
	turn := newOrder(p.pod, p.seen.Containers)
	var all sync.WaitGroup
	var mu sync.Mutex
	ok := true
	for _, c := range p.seen.Containers {
		if c.State != lifecycle.Running && c.State != lifecycle.Unknown {
			continue
		}
		p.Tell(func(o *lifecycle.Observed) { o.Stopped = with(o.Stopped, c.ID, true) })
		all.Add(1)
		go func() {
			defer all.Done()
			if !p.kill(ctx, patience, c, a.Grace, "", turn) {
				mu.Lock()
				ok = false
				mu.Unlock()
			}
		}()
	}
	all.Wait()
	if !ok {
		return false
	}
	for _, s := range p.seen.Sandboxes {
		if !s.Ready {
			continue
		}
		err := p.node.Runtime.StopPodSandbox(ctx, s.ID)
		if err != nil && !notFound(err) {
			p.criError(err)
			p.event(v1.EventTypeWarning, "FailedKillPod", "", "error killing pod: "+err.Error())
			p.node.Clock.Sleep(time.Second)
			return false
		}
	}
	for _, c := range p.seen.Containers {
		if c.State == lifecycle.Running || c.State == lifecycle.Unknown {
			if err := p.ended(ctx, c.SandboxID, bare(c.ID)); err != nil && !notFound(err) {
				p.log().Error(err, "Reading how a container ended", "container", c.Name)
				return false
			}
		}
	}
	p.tell(func(o *lifecycle.Observed) {
		list := make([]lifecycle.Sandbox, len(o.Sandboxes))
		for i, s := range o.Sandboxes {
			s.Ready = false
			list[i] = s
		}
		o.Sandboxes = list
	})
	return true
}

// killOne ends one container that shall not go on as it is.
func (p *pass) killOne(ctx, patience context.Context, a lifecycle.Action) bool {
	for _, c := range p.seen.Containers {
		if c.ID != a.ID {
			continue
		}
		p.tell(func(o *lifecycle.Observed) { o.Stopped = with(o.Stopped, c.ID, true) })
		return p.kill(ctx, patience, c, a.Grace, a.Message, nil) && p.ended(ctx, c.SandboxID, bare(c.ID)) == nil
	}
	return true
}

// remove takes a container away, and ends it first if it runs.
func (p *pass) remove(ctx, patience context.Context, a lifecycle.Action) bool {
	i := slices.IndexFunc(p.seen.Containers, func(c lifecycle.Container) bool { return c.ID == a.ID })
	if i < 0 {
		return true
	}
	c := p.seen.Containers[i]
	if c.State != lifecycle.Exited && !p.kill(ctx, patience, c, a.Grace, a.Message, nil) {
		return false
	}
	if err := p.node.Runtime.RemoveContainer(ctx, bare(a.ID)); err != nil && !notFound(err) {
		p.criError(err)
		p.log().Error(err, "Removing a container; trying again", "container", c.Name)
		p.node.Clock.Sleep(time.Second)
		return false
	}
	p.forget(a.ID)
	return true
}

// forget: the runtime does not have that container any more.
func (p *pass) forget(id string) {
	p.tell(func(o *lifecycle.Observed) {
		o.Containers = slices.DeleteFunc(slices.Clone(o.Containers), func(c lifecycle.Container) bool { return c.ID == id })
		o.Probes, o.Stopped = without(o.Probes, id), without(o.Stopped, id)
	})
	p.Tell(func(*lifecycle.Observed) { p.removed = append(p.removed[max(0, len(p.removed)-lateNews):], id) })
}

// lateNews is how many containers of one pod may have been removed before the
// runtime's last word on the first of them arrives.
const lateNews = 100

// kill ends a container: its preStop hook, its turn among the sidecars, SIGTERM,
// and after the grace period SIGKILL (upstream: killContainer in
// pkg/kubelet/kuberuntime/kuberuntime_container.go). Being interrupted means that
// somebody is in more of a hurry; the next attempt has the shorter grace.
func (p *pass) kill(ctx, patience context.Context, c lifecycle.Container, grace int64, message string, turn *order) bool {
	if message == "" {
		message = "Stopping container " + c.Name
	}
	p.event(v1.EventTypeNormal, "Killing", c.Name, message)
	patience = fault.For(patience, p.pod, c.Name, c.Image)
	spec := specOf(p.pod, c.Name)
	if spec != nil && spec.Lifecycle != nil && spec.Lifecycle.PreStop != nil && grace > 0 {
		grace -= p.preStop(patience, spec, c, grace)
	}
	if turn != nil && grace > 0 {
		grace -= turn.wait(patience, p.node.Clock, c.Name, time.Duration(grace)*time.Second)
	}
	if patience.Err() != nil {
		return false
	}
	err := p.node.Runtime.StopContainer(patience, bare(c.ID), max(grace, lifecycle.MinimumGrace))
	if err != nil && !notFound(err) {
		if patience.Err() == nil {
			p.criError(err)
			p.event(v1.EventTypeWarning, "FailedKillPod", "", "error killing pod: "+err.Error())
			p.node.Clock.Sleep(time.Second)
		}
		return false
	}
	if turn != nil {
		turn.ended(c.Name)
	}
	return true
}

// preStop runs the hook for at most grace seconds and gives the whole seconds it took.
func (p *pass) preStop(patience context.Context, spec *v1.Container, c lifecycle.Container, grace int64) int64 {
	began := p.node.Clock.Now()
	ctx, cancel := clock.WithTimeout(patience, p.node.Clock, time.Duration(grace)*time.Second)
	defer cancel()
	err := p.node.Hooks.Run(ctx, p.pod, spec, bare(c.ID), p.podIP(), hook.PreStop, spec.Lifecycle.PreStop)
	cut := ctx.Err() != nil && spec.Lifecycle.PreStop.Exec == nil // only a command ends with its container
	if err != nil && !cut && patience.Err() == nil {
		// The hook's output may hold secrets; it is kept out of the Event.
		p.event(v1.EventTypeWarning, "FailedPreStopHook", c.Name, "PreStopHook failed")
		p.log().V(1).Info("PreStop hook failed", "container", c.Name, "err", err)
	}
	return int64(p.node.Clock.Since(began).Seconds())
}

func (p *pass) podIP() string { return podIP(p.pod, p.node, &p.seen) }

// podIP is the pod's primary address, "" if it has none yet.
func podIP(pod *v1.Pod, n *Node, seen *lifecycle.Observed) string {
	if pod.Spec.HostNetwork && len(n.HostIPs) > 0 {
		return n.HostIPs[0]
	}
	for _, s := range seen.Sandboxes {
		if len(s.IPs) > 0 {
			return s.IPs[0]
		}
	}
	return ""
}
