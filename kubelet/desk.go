package kubelet

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
	"k8s.io/klog/v2"
	kubetypes "k8s.io/kubernetes/pkg/kubelet/types"

	"github.com/podling/podling/clock"
	"github.com/podling/podling/kubelet/node"
	"github.com/podling/podling/kubelet/static"
	"github.com/podling/podling/kubelet/worker"
	"github.com/podling/podling/lifecycle"
)

// lookAgain is how long a runtime that does not say what it has of a pod is given
// before it is asked again.
const lookAgain = 200 * time.Millisecond

// desk is where news is handed to the worker that it is for.
type desk struct {
	shared *worker.Node
	object func() *v1.Node // the node as far as it is known
	// unfit says why a node that is short of something, or shuts down, does not take a pod.
	unfit func(*v1.Pod) *lifecycle.Rejection
	done  sync.WaitGroup

	mu       sync.Mutex
	ctx      context.Context // nil until there is work
	listed   bool            // what the API has is known
	compared bool            // and so is what the runtime has
	workers  map[types.UID]*worker.Worker
	over     map[types.UID]bool // worked off, but the API still lists them
	left     map[types.UID]bool // not in the API any more, but their workers are not done
	rejected map[types.UID]bool // not taken
	// preempted pods have made room, although they may still be there.
	preempted map[types.UID]bool
	given     allocations
	taken     taken
	early     map[types.UID]*v1.Pod // arrived before the desk opened
	state     node.State            // of the runtime and its network
	statics   statics
}

func newDesk(shared *worker.Node, object func() *v1.Node) *desk {
	return &desk{shared: shared, object: object, workers: map[types.UID]*worker.Worker{}, over: map[types.UID]bool{}, left: map[types.UID]bool{}, rejected: map[types.UID]bool{}, preempted: map[types.UID]bool{}, early: map[types.UID]*v1.Pod{}, given: allocations{of: map[types.UID]*v1.Pod{}}, taken: taken{pods: map[types.UID]*v1.Pod{}}, statics: newStatics()}
}

// open takes in the pods that have arrived by now, the older ones first. Each
// worker's first look at the runtime comes before its first decision, so that a
// node that starts again finds its containers and makes none twice.
func (d *desk) open() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.listed = true
	early := slices.SortedFunc(maps.Values(d.early), func(a, b *v1.Pod) int { return a.CreationTimestamp.Compare(b.CreationTimestamp.Time) })
	d.early = nil
	for _, pod := range early {
		d.hire(pod, false, true)
	}
}

// pod takes a pod from the API.
func (d *desk) pod(pod *v1.Pod, gone bool) {
	if kubetypes.IsMirrorPod(pod) {
		d.mirror(pod, gone)
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.listed {
		d.early[pod.UID] = pod
		if gone {
			delete(d.early, pod.UID)
		}
		return
	}
	w := d.workers[pod.UID]
	switch {
	case gone:
		delete(d.over, pod.UID)
		if w != nil {
			d.left[pod.UID] = true
			w.Gone()
		}
	case w != nil:
		d.renew(w, pod)
	case !d.over[pod.UID]:
		d.hire(pod, false, false) // bound after the node came up: there is nothing of it yet
	}
}

// catchUp takes in what the API has by now, after news were missed.
func (d *desk) catchUp(has []*v1.Pod) {
	there := map[types.UID]bool{}
	for _, pod := range has {
		there[pod.UID] = true
		d.pod(pod, false)
	}
	d.mu.Lock()
	var gone []*v1.Pod
	for uid, w := range d.workers {
		if !there[uid] && !d.left[uid] {
			gone = append(gone, w.Newest())
		}
	}
	d.mu.Unlock()
	for _, pod := range gone {
		d.pod(pod, true)
	}
}

// hire starts a worker for the pod, which first looks at what the runtime has of
// it if there may be something. Called with d.mu held.
func (d *desk) hire(pod *v1.Pod, gone, look bool) {
	w := worker.New(d.shared, d.given.begin(pod))
	w.Tell(observed(d.state))
	if gone {
		w.Gone()
	}
	var room []<-chan struct{} // being made for it
	if pod.Status.StartTime == nil && pod.DeletionTimestamp == nil && !gone {
		no, victims := d.admit(pod)
		room = d.preempt(victims)
		if no != nil {
			d.rejected[pod.UID] = true
			w.Tell(func(o *lifecycle.Observed) { o.Rejected = no })
		}
	}
	d.workers[pod.UID] = w
	d.count(pod.UID)
	if !lifecycle.SameResources(pod, d.given.of[pod.UID]) {
		d.resize(w, pod)
	}
	if kubetypes.IsStaticPod(pod) {
		d.statics.at[static.Name(pod)] = w
	}
	ctx := d.ctx
	d.done.Add(1)
	go func() {
		defer d.done.Done()
		clock.Pause(d.shared.Clock, func() {
			for _, made := range room {
				<-made
			}
		})
		for said := gone; look; said = true {
			err := w.Look(ctx)
			if err == nil {
				break
			}
			if !said {
				d.shared.Event(pod, worker.FailedSync(err))
			}
			klog.FromContext(ctx).V(1).Info("The runtime does not say what it has of a pod; asking again", "pod", klog.KObj(pod), "err", err)
			d.shared.CRIFailed(err)
			if !clock.Wait(ctx, d.shared.Clock, lookAgain) {
				return
			}
		}
		w.Run(ctx)
		if ctx.Err() != nil {
			return
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.workers, pod.UID)
		delete(d.rejected, pod.UID)
		delete(d.preempted, pod.UID)
		d.count(pod.UID)
		d.given.end(pod.UID)
		d.retryResizes() // there is room now, perhaps enough
		d.shared.Reporter.Forget(pod)
		if kubetypes.IsStaticPod(pod) {
			delete(d.statics.at, static.Name(pod))
			d.arrange() // the next of that name, perhaps
			return
		}
		if !gone && !d.left[pod.UID] {
			d.over[pod.UID] = true // until the API says that it is gone
		}
		delete(d.left, pod.UID)
	}()
}

// event takes a container event from the runtime.
func (d *desk) event(e *runtimeapi.ContainerEventResponse) {
	uid := types.UID(e.GetPodSandboxStatus().GetMetadata().GetUid())
	d.mu.Lock()
	w := d.workers[uid]
	d.mu.Unlock()
	if w != nil {
		w.Saw(e.PodSandboxStatus, e.ContainersStatuses)
	}
}

// runtime tells all workers whether the runtime and its network are there.
func (d *desk) runtime(state node.State) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if state == d.state {
		return
	}
	d.state = state
	for _, w := range d.workers {
		w.Tell(observed(state))
	}
}

func observed(state node.State) func(*lifecycle.Observed) {
	return func(o *lifecycle.Observed) { o.Runtime, o.Network = state.RuntimeError, state.NetworkError }
}

// relistSoon is how soon a worker is compared again that was busy when it and the runtime differed.
const relistSoon = time.Second

// relist compares what the workers know with what the runtime has: when the
// event stream begins anew, and every so often (0: never). A worker that missed something
// looks again; pods that nobody knows are ended.
func (d *desk) relist(ctx context.Context, now <-chan struct{}, every time.Duration) {
	var tick, soon <-chan time.Time
	if every > 0 {
		t := time.NewTicker(every)
		defer t.Stop()
		tick = t.C
	}
	for {
		select {
		case <-now:
		case <-tick:
		case <-soon:
		case <-ctx.Done():
			return
		}
		busy, err := d.compare(ctx)
		if err != nil && ctx.Err() == nil {
			klog.FromContext(ctx).V(1).Info("Listing what the runtime has", "err", err)
			d.shared.CRIFailed(err)
		}
		soon = nil
		if busy && every > 0 {
			soon = time.After(relistSoon)
		}
	}
}

// list is all that the runtime has.
func (d *desk) list(ctx context.Context) ([]*runtimeapi.PodSandbox, []*runtimeapi.Container, error) {
	sandboxes, err := d.shared.Runtime.ListPodSandbox(ctx, nil)
	if err != nil {
		return nil, nil, fmt.Errorf("listing sandboxes: %w", err)
	}
	containers, err := d.shared.Runtime.ListContainers(ctx, nil)
	if err != nil {
		return nil, nil, fmt.Errorf("listing containers: %w", err)
	}
	return sandboxes, containers, nil
}

// inRuntime is what the runtime has: of each pod its name, and the state of its
// sandboxes and containers by their IDs.
func (d *desk) inRuntime(ctx context.Context) (names map[types.UID]*v1.Pod, states map[types.UID]map[string]string, err error) {
	sandboxes, containers, err := d.list(ctx)
	if err != nil {
		return nil, nil, err
	}
	names, states = map[types.UID]*v1.Pod{}, map[types.UID]map[string]string{}
	note := func(labels map[string]string, id, state string) {
		uid := types.UID(labels[worker.LabelPodUID])
		if states[uid] == nil {
			states[uid] = map[string]string{}
			names[uid] = &v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: labels[worker.LabelPodName], Namespace: labels[worker.LabelPodNamespace], UID: uid}}
		}
		states[uid][id] = state
	}
	for _, s := range sandboxes {
		note(s.Labels, s.Id, fmt.Sprint(s.State == runtimeapi.PodSandboxState_SANDBOX_READY))
	}
	for _, c := range containers {
		note(c.Labels, c.Id, string(worker.State(c.State)))
	}
	return names, states, nil
}

// compare says, too, whether a worker is busy that knows something else than the runtime: that may be what
// it is doing, or what it has missed.
func (d *desk) compare(ctx context.Context) (differ bool, err error) {
	d.shared.Clock.Begin()
	defer d.shared.Clock.End()
	names, has, err := d.inRuntime(ctx)
	if err != nil {
		return false, err
	}
	d.mu.Lock()
	workers := maps.Clone(d.workers)
	d.endUnknown(names)
	d.mu.Unlock()
	for _, uid := range slices.Sorted(maps.Keys(workers)) { // one after the other, always in the same order
		w := workers[uid]
		seen, busy := w.Fingerprint()
		if maps.Equal(seen, has[uid]) || len(seen) == 0 && has[uid] == nil {
			continue
		}
		if busy {
			differ = true
			continue
		}
		if err := w.Look(ctx); err != nil {
			return differ, err
		}
	}
	return differ, nil
}

// endUnknown ends and removes what the machine has of pods that nobody knows.
// names are the pods that the runtime has. Called with d.mu held.
func (d *desk) endUnknown(names map[types.UID]*v1.Pod) {
	if !d.listed {
		return // nobody can say yet
	}
	for uid, pod := range names {
		if d.workers[uid] == nil && !d.over[uid] && uid != "" {
			d.takeDown(pod)
		}
	}
	known := func(uid types.UID) bool { return d.workers[uid] != nil || d.over[uid] }
	left := append(d.shared.Volumes.Orphans(known), d.shared.Cgroups.Orphans(known)...)
	for _, uid := range left {
		if names[uid] == nil && d.workers[uid] == nil {
			d.hire(&v1.Pod{ObjectMeta: metav1.ObjectMeta{UID: uid}}, true, true)
		}
	}
	d.compared = true
	d.dropOrphans()
}

// pods are the node's pods, each with the status that the node decided last.
func (d *desk) pods() []*v1.Pod {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out []*v1.Pod
	for _, w := range d.workers {
		if pod := w.Pod(); pod != nil {
			out = append(out, pod)
		}
	}
	return out
}

// wait returns once every worker has ended and all is written.
func (d *desk) wait() {
	d.done.Wait()
	d.shared.Reporter.Wait()
}
