package probe

import (
	"context"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"

	"github.com/podling/podling/clock"
	"github.com/podling/podling/lifecycle"
	"github.com/podling/podling/runtime/fault"
)

// Outcome is told when a probe's result is settled and is another than before.
type Outcome func(containerID, kind string, success bool)

// Pod runs the probes of one pod's containers. Its methods are called by one
// goroutine, the pod's worker.
type Pod struct {
	probers *Probers
	clock   clock.Clock
	tell    Outcome
	running map[string]stops // by container ID
	done    sync.WaitGroup
	tally   tally

	mu    sync.Mutex
	asked map[string]time.Time // when it was last due to ask whether a container is alive, by name
}

// stops end the probes of one container.
type stops struct {
	all     context.CancelFunc
	restart context.CancelFunc // those whose failure has the container restarted
}

// Pod gives the probes of one pod, all idle.
func (ps *Probers) Pod(clk clock.Clock, tell Outcome) *Pod {
	return &Pod{probers: ps, clock: clk, tell: tell, running: map[string]stops{}, asked: map[string]time.Time{}, tally: tally{counts: ps.counts}}
}

// Sync begins to probe containers that run and have probes, and no longer probes
// those that have ended. ids are the runtime's, by the container ID of the API.
func (p *Pod) Sync(ctx context.Context, pod *v1.Pod, ip string, containers []lifecycle.Container, spec func(name string) *v1.Container, id func(string) string) {
	alive := map[string]bool{}
	for i := range containers {
		r := &containers[i]
		c := spec(r.Name)
		if r.State != lifecycle.Running || c == nil || c.StartupProbe == nil && c.LivenessProbe == nil && c.ReadinessProbe == nil {
			continue
		}
		alive[r.ID] = true
		if _, already := p.running[r.ID]; already {
			continue
		}
		ctx, all := context.WithCancel(fault.For(ctx, pod, c.Name, c.Image))
		living, restart := context.WithCancel(ctx)
		p.running[r.ID] = stops{all, restart}
		p.done.Add(1)
		p.clock.Begin()
		go func() {
			defer p.done.Done()
			defer p.clock.End()
			p.container(ctx, living, target{pod: pod, c: c, id: id(r.ID), ip: ip}, r.ID, r.StartedAt)
		}()
	}
	for id, stop := range p.running {
		if !alive[id] {
			stop.all()
			delete(p.running, id)
		}
	}
}

// Ending no longer asks whether containers have started and are alive: the pod is
// being ended. Whether they are ready is asked to the last (upstream:
// StopLivenessAndStartup in pkg/kubelet/prober/prober_manager.go).
func (p *Pod) Ending() {
	for _, stop := range p.running {
		stop.restart()
	}
}

// Stop ends all probes and waits for them.
func (p *Pod) Stop() {
	for id, stop := range p.running {
		stop.all()
		delete(p.running, id)
	}
	p.done.Wait()
	p.tally.clear()
}

// container runs one container's probes: the startup probe first and alone, then
// the other two side by side (KEP-950). living ends before ctx when the pod is to end.
func (p *Pod) container(ctx, living context.Context, t target, id string, started time.Time) {
	if t.c.StartupProbe != nil && !p.loop(living, living, Startup, t.c.StartupProbe, t, id, started) {
		return
	}
	var both sync.WaitGroup
	if t.c.LivenessProbe != nil {
		p.clock.Begin()
		both.Go(func() {
			defer p.clock.End()
			p.loop(living, living, Liveness, t.c.LivenessProbe, t, id, started)
		})
	}
	if t.c.ReadinessProbe != nil {
		p.clock.Begin()
		both.Go(func() {
			defer p.clock.End()
			p.loop(ctx, living, Readiness, t.c.ReadinessProbe, t, id, started)
		})
	}
	clock.Pause(p.clock, both.Wait)
}

// loop probes until there is nothing more to find out: a startup probe until it
// is settled, a liveness probe until it fails (the container is then replaced),
// a readiness probe until the container ends. It gives the last settled result.
func (p *Pod) loop(ctx, living context.Context, kind string, probe *v1.Probe, t target, id string, started time.Time) bool {
	if !clock.Wait(ctx, p.clock, started.Add(time.Duration(probe.InitialDelaySeconds)*time.Second).Sub(p.clock.Now())) {
		return false
	}
	period := time.Duration(max(probe.PeriodSeconds, 1)) * time.Second
	due := p.clock.Now() // the pace is kept, however late a busy machine asks (upstream: a ticker)
	if kind == Liveness {
		due = due.Add(p.beat(t.c.Name, period))
	}
	var count lifecycle.ProbeCount
	var told *bool
	for clock.Wait(ctx, p.clock, due.Sub(p.clock.Now())) {
		began := p.clock.Now()
		t.ending = living.Err() != nil
		if kind == Liveness {
			p.mu.Lock()
			p.asked[t.c.Name] = due
			p.mu.Unlock()
		}
		if success, known := p.probers.ask(ctx, kind, probe, t); known {
			p.tally.add(t.pod, t.c.Name, kind, success, p.clock.Since(began))
			var settled bool
			if count, settled = count.Add(probe, success); settled {
				if told == nil || *told != success {
					p.tell(id, kind, success)
				}
				told = &success
				if kind == Startup || kind == Liveness && !success {
					return success
				}
			}
		}
		due = due.Add(period)
		if late := p.clock.Since(due); late > 0 {
			due = due.Add(late.Truncate(period)) // what was missed is not made up for, but once
		}
	}
	return false
}

// beat is how long it is until a container's liveness is due at the pace at which that
// of the one before it was asked: one that was just restarted is left its time
// (upstream: a worker's ticker outlives its containers, pkg/kubelet/prober/worker.go).
func (p *Pod) beat(container string, period time.Duration) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	last, before := p.asked[container]
	if !before {
		return 0
	}
	return (period - p.clock.Since(last)%period) % period
}
