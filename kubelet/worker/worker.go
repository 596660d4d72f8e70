// Package worker looks after one pod: it observes, asks lifecycle.Decide, acts
// through the runtime, and hands the status to kubelet/report. One pod, one
// goroutine that owns all that is known of the pod; what takes time runs in a
// second one, the pass, which sends back facts.
//
//	pod from the API ─┐
//	runtime events  ──┼─▶ loop: facts ─▶ Decide ─▶ report
//	time            ──┤                    │
//	facts of the pass ┘◀── pass: act ◀─────┘
package worker

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"
	internalapi "k8s.io/cri-api/pkg/apis"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/podling/podling/clock"
	"github.com/podling/podling/kubelet/claim"
	"github.com/podling/podling/kubelet/environment"
	"github.com/podling/podling/kubelet/handler"
	"github.com/podling/podling/kubelet/hook"
	"github.com/podling/podling/kubelet/image"
	"github.com/podling/podling/kubelet/probe"
	"github.com/podling/podling/kubelet/report"
	"github.com/podling/podling/kubelet/userns"
	"github.com/podling/podling/kubelet/volume"
	"github.com/podling/podling/lifecycle"
	"github.com/podling/podling/runtime/fault"
)

// Node is what the workers of one node share.
type Node struct {
	// Simulated: the containers only exist in memory. Files and folders of theirs are made by
	// whoever writes into them first, and most never are.
	Simulated bool

	Name        string
	HostIPs     []string
	Since       time.Time // when the node came up
	RuntimeName string    // as it stands before container IDs: containerd
	RootDir     string    // pod folders
	LogDir      string    // container logs

	Runtime     internalapi.RuntimeService
	Images      *image.Images
	Volumes     *volume.Manager
	Environment *environment.Maker
	Cgroups     Cgroups
	Handlers    *handler.Handlers
	Users       *userns.Ranges
	Probers     *probe.Probers
	Hooks       *hook.Runner
	Claims      *claim.Claims
	Reporter    *report.Reporter
	Faults      *fault.Faults
	Clock       clock.Clock

	Memory                    int64 // bytes that the machine has
	ClusterDomain, ResolvConf string
	ClusterDNS                []string

	PullSecrets func(ctx context.Context, pod *v1.Pod, image string) []*runtimeapi.AuthConfig
	Event       func(pod *v1.Pod, e lifecycle.Event)
	CRIFailed   func(error) // a call failed in a way that may mean that the runtime is away

	// Decided, if there is one, is told of each decision: what was known, and the plan. It is called by
	// the pod's worker, and must not keep what it is given.
	Decided Decided

	// Turn, if there is one, is called by a worker before it takes in what it was told: a test that
	// has one goroutine go on at a time lets it wait there.
	Turn func(pod *v1.Pod)
}

// Decided is told what a node decided about a pod, and what on.
type Decided func(node string, pod *v1.Pod, seen lifecycle.Observed, now time.Time, plan lifecycle.Plan)

// Cgroups limit pods as a whole (kubelet/cgroup).
type Cgroups interface {
	// Ensure makes the pod's group, or gives it the limits that the pod asks for by now. The group
	// is there even if the error is cgroup.ErrLimit.
	Ensure(pod *v1.Pod) (parent string, err error)
	Remove(pod types.UID) error
	// Orphans are the pods that have a group and are not known.
	Orphans(known func(types.UID) bool) []types.UID
}

// Worker looks after one pod.
type Worker struct {
	node *Node
	uid  types.UID
	wake chan struct{}

	killed, cleaned chan struct{} // closed when that is so of the pod
	began, ended    chan struct{} // closed when Run begins, and when it returns

	mu     sync.Mutex
	next   *v1.Pod                     // the newest version from the API
	facts  []func(*lifecycle.Observed) // not yet taken in
	news   int                         // how often the runtime has told something by itself
	status *v1.PodStatus               // decided last
	awake  bool                        // it has something to do, or is about to look: time does not jump

	// Below: the loop's alone.
	pod      *v1.Pod
	seen     lifecycle.Observed
	stopPass context.CancelFunc
	settling []chan struct{} // closed once what was taken in has been decided on, and acted upon
	probes   *probe.Pod
	removed  []string                  // IDs of the containers that were removed last
	mounted  map[string]volume.Mounted // by the volume's name; written and read by passes only
}

// New gives a worker for the pod, to be started with Run.
func New(node *Node, pod *v1.Pod) *Worker {
	w := &Worker{node: node, uid: pod.UID, wake: make(chan struct{}, 1), next: pod, pod: pod,
		killed: make(chan struct{}), cleaned: make(chan struct{}), began: make(chan struct{}), ended: make(chan struct{})}
	w.seen.HostIPs, w.seen.Since = node.HostIPs, node.Since
	w.seen.RecursiveReadOnly = node.Handlers.RecursiveReadOnly("") // until the sandbox tells of another handler
	w.probes = node.Probers.Pod(node.Clock, w.probed)
	node.heedFaults(nil, pod)
	w.rouse()
	return w
}

// Update hands over a newer version of the pod, and facts that go with it.
func (w *Worker) Update(pod *v1.Pod, facts ...func(*lifecycle.Observed)) {
	w.mu.Lock()
	w.next = pod
	w.facts = append(w.facts, facts...)
	w.rouse()
	w.mu.Unlock()
	w.node.Reporter.Seen(pod)
}

// Tell hands over a fact: something observed, as a change to what is known.
func (w *Worker) Tell(fact func(*lifecycle.Observed)) {
	w.mu.Lock()
	w.add(fact)
	w.mu.Unlock()
}

// add is Tell, called with w.mu held.
func (w *Worker) add(fact func(*lifecycle.Observed)) {
	w.facts = append(w.facts, fact)
	w.rouse()
}

// Gone tells that the pod is no longer in the API.
func (w *Worker) Gone() { w.Tell(func(o *lifecycle.Observed) { o.Gone = true }) }

// Pod is the pod with the status that was decided last; nil before the first.
func (w *Worker) Pod() *v1.Pod {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.status == nil {
		return nil
	}
	pod := *w.next
	pod.Status = *w.status
	return &pod
}

// Newest is the pod as the API had it last.
func (w *Worker) Newest() *v1.Pod {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.next
}

// rouse has the loop look once more. Called with w.mu held.
func (w *Worker) rouse() {
	if !w.awake {
		w.awake = true
		w.node.Clock.Begin()
	}
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// due rouses the worker because it is time.
func (w *Worker) due() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rouse()
}

// rest: nothing is left to do until the next rouse.
func (w *Worker) rest() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.awake && len(w.wake) == 0 {
		w.awake = false
		w.node.Clock.End()
	}
}

// Run looks after the pod until nothing is left to do for it, or ctx ends. It
// does not stop the pod's containers when ctx ends.
func (w *Worker) Run(ctx context.Context) {
	close(w.began)
	defer w.retire()
	defer close(w.ended)
	var passes sync.WaitGroup
	defer passes.Wait()
	defer w.settle()
	defer w.probes.Stop()
	defer func() { w.node.Faults.Forget(w.pod) }()
	for ctx.Err() == nil {
		if w.node.Turn != nil {
			w.node.Turn(w.pod)
		}
		w.takeIn()
		w.stages()
		now := w.node.Clock.Now()
		plan := lifecycle.Decide(w.pod, w.seen, now)
		if w.node.Decided != nil {
			w.node.Decided(w.node.Name, w.pod, w.seen, now, plan)
		}
		w.mu.Lock()
		w.status = &plan.Status
		w.mu.Unlock()
		if plan.Done {
			w.node.remove(ctx, w.pod, &w.seen)
			return
		}
		w.announce(&plan)
		if plan.Interrupt && w.stopPass != nil {
			w.stopPass()
		}
		w.settle()
		if len(plan.Actions) > 0 && len(w.seen.Pass) == 0 {
			w.begin(ctx, &passes, plan.Actions)
		}
		w.probe(ctx)
		w.sleep(ctx, plan.Wake)
	}
}

// settle lets passes go on that wait for a decision.
func (w *Worker) settle() {
	for _, decided := range w.settling {
		close(decided)
	}
	w.settling = nil
}

// probe keeps the probes going for as long as the pod is to live; once it is to
// end, no new ones are begun. A container is probed once it was reported to run, so
// that a watch sees it run before it sees what its probes say (upstream: doProbe
// in pkg/kubelet/prober/worker.go goes by the status).
func (w *Worker) probe(ctx context.Context) {
	switch {
	case w.seen.Gone || w.seen.Killed:
		w.probes.Sync(ctx, w.pod, "", nil, nil, nil)
		return
	case w.pod.DeletionTimestamp != nil || len(w.seen.Pass) > 0 && w.seen.Pass[0].Verb == lifecycle.KillPod:
		w.probes.Ending()
		return
	}
	reported := slices.DeleteFunc(slices.Clone(w.seen.Containers), func(c lifecycle.Container) bool { return !lifecycle.ShownRunning(w.seen.Reported, c.ID) })
	w.probes.Sync(ctx, w.pod, podIP(w.pod, w.node, &w.seen), reported, func(name string) *v1.Container { return specOf(w.pod, name) }, bare)
}

// probed takes a probe's result in.
func (w *Worker) probed(container, kind string, success bool) {
	w.Tell(func(o *lifecycle.Observed) {
		p := o.Probes[container]
		switch kind {
		case probe.Startup:
			p.Started = &success
		case probe.Liveness:
			p.Live = &success
		case probe.Readiness:
			p.Ready = &success
		}
		o.Probes = with(o.Probes, container, p)
	})
}

// announce reports what the plan has to say.
func (w *Worker) announce(plan *lifecycle.Plan) {
	if plan.Report {
		if old := w.seen.Reported; old == nil || !equality.Semantic.DeepEqual(*old, plan.Status) {
			w.node.Reporter.Status(w.pod, plan.Status)
		}
		w.seen.Reported = &plan.Status
		if len(w.seen.Pass) == 0 {
			for name, f := range w.seen.Failures {
				seen := *f
				seen.Reported = true
				w.seen.Failures[name] = &seen
			}
		}
	}
	for _, e := range plan.Events {
		w.node.Event(w.pod, e)
	}
}

// takeIn brings what is known up to date.
func (w *Worker) takeIn() {
	w.mu.Lock()
	facts := w.facts
	w.facts = nil
	was := w.pod
	w.pod = w.next
	select {
	case <-w.wake: // for what is taken in now
	default:
	}
	w.mu.Unlock()
	if was.Generation != w.pod.Generation || !maps.Equal(was.Labels, w.pod.Labels) || !maps.Equal(was.Annotations, w.pod.Annotations) {
		w.seen.Volumes.Mounted = false // what volumes show of the pod may be out of date: they are gone through again
	}
	w.node.heedFaults(was, w.pod)
	for _, f := range facts {
		f(&w.seen)
	}
}

// stages tells those who wait for it how far the pod's end has come.
func (w *Worker) stages() {
	for _, stage := range []struct {
		is bool
		c  chan struct{}
	}{{w.seen.Killed, w.killed}, {w.seen.Cleaned, w.cleaned}} {
		select {
		case <-stage.c:
		default:
			if stage.is {
				close(stage.c)
			}
		}
	}
}

// Killed is closed once every container of the pod has stopped for good.
func (w *Worker) Killed() <-chan struct{} { return w.killed }

// Cleaned is closed once nothing of the pod is left but its record.
func (w *Worker) Cleaned() <-chan struct{} { return w.cleaned }

// sleep waits for news, or until the time at which the plan changes by itself.
func (w *Worker) sleep(ctx context.Context, until time.Time) {
	if !until.IsZero() {
		d := until.Sub(w.node.Clock.Now())
		if d <= 0 {
			return
		}
		t := w.node.Clock.AfterFunc(d, w.due)
		defer t.Stop()
	}
	w.rest()
	select {
	case <-w.wake:
	case <-ctx.Done():
	}
}

// retire: what the worker is told from now on is nobody's work.
func (w *Worker) retire() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.awake {
		w.node.Clock.End()
	}
	w.awake = true // for good: rouse begins nothing any more
}

// begin carries the actions out in a goroutine of their own.
func (w *Worker) begin(ctx context.Context, passes *sync.WaitGroup, actions []lifecycle.Action) {
	w.seen.Pass = actions
	p := &pass{Worker: w, pod: w.pod, seen: w.seen}
	// Interrupting a pass must not tear a runtime call in two: only what may take long listens.
	ctx = fault.For(ctx, w.pod, "", "")
	patience, stop := context.WithCancel(ctx)
	w.stopPass = stop
	passes.Add(1)
	w.node.Clock.Begin()
	go func() {
		defer passes.Done()
		defer w.node.Clock.End()
		defer stop()
		p.run(context.WithoutCancel(ctx), patience, actions)
		w.Tell(func(o *lifecycle.Observed) { o.Pass = nil })
	}()
}
