// Package report writes what the node decided into the API: pod statuses, in the
// order in which they were decided, and the final deletion. It is the only part
// of the node that writes pods.
package report

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/klog/v2"
	kubetypes "k8s.io/kubernetes/pkg/kubelet/types"

	"github.com/podling/podling/clock"
	"github.com/podling/podling/kubelet/static"
	"github.com/podling/podling/lifecycle"
)

// Reporter writes statuses. Each pod has a queue of its own, so that no pod
// waits for another and no state of a pod overtakes or swallows another. Static
// pods of one name share one: they share what the API has of them, a mirror.
type Reporter struct {
	client kubernetes.Interface
	node   func() *v1.Node
	clock  clock.Clock // for which a write that is under way counts
	ctx    context.Context
	turns  *Turns
	writes sync.WaitGroup

	mu   sync.Mutex
	pods map[string]*queue
}

// queue is what is still to be written of one pod.
type queue struct {
	pod     *v1.Pod
	written *v1.PodStatus // what the API has, as far as is known
	todo    []write
	busy    bool
	last    *v1.PodStatus
	version string        // the pod's resourceVersion after the last write
	more    chan struct{} // closed when there is more to be written, if somebody waits for that
	waiting bool          // the API did not take the last write: of what piles up only the newest counts

	mirror *v1.Pod // of static pods: what the API has of them; nil: nothing
}

// write is a status to be written, or, without one, the pod's deletion.
type write struct {
	pod    *v1.Pod
	status *v1.PodStatus
}

// New gives a reporter that writes until ctx ends. node gives the node's object,
// nil while it has none: mirrors belong to it.
func New(ctx context.Context, client kubernetes.Interface, clk clock.Clock, node func() *v1.Node) *Reporter {
	return &Reporter{client: client, clock: clk, node: node, ctx: ctx, pods: map[string]*queue{}}
}

// key is what a pod's queue is found by.
func key(pod *v1.Pod) string {
	if kubetypes.IsStaticPod(pod) || kubetypes.IsMirrorPod(pod) {
		return static.Name(pod).String()
	}
	return string(pod.UID)
}

// Status queues a status of the pod.
func (r *Reporter) Status(pod *v1.Pod, status v1.PodStatus) {
	r.enqueue(pod, func(q *queue) {
		if q.waiting && len(q.todo) > 1 {
			q.todo = q.todo[:1]
		}
		q.todo = append(q.todo, write{pod, &status})
		q.last = &status
	})
}

// Seen compares what the API has with what was written. Where somebody else has
// turned the pod's readiness over since (the node controller does, for a node
// that seemed away), the last status is written once more.
func (r *Reporter) Seen(pod *v1.Pod) {
	r.mu.Lock()
	defer r.mu.Unlock()
	q := r.pods[string(pod.UID)]
	if q == nil || q.busy || q.last == nil || older(pod.ResourceVersion, q.version) || !turnedOver(q.last, &pod.Status) {
		return
	}
	q.pod, q.written = pod, &pod.Status
	r.again(q)
}

// turnedOver: theirs says otherwise of the pod's readiness than ours.
func turnedOver(ours, theirs *v1.PodStatus) bool {
	return slices.ContainsFunc([]v1.PodConditionType{v1.PodReady, v1.ContainersReady}, func(t v1.PodConditionType) bool {
		a, b := lifecycle.Condition(ours, t), lifecycle.Condition(theirs, t)
		return a != nil && b != nil && a.Status != b.Status
	})
}

// again has the last status written once more, if there is one that stands. Called with r.mu held.
func (r *Reporter) again(q *queue) {
	if q.last != nil && len(q.todo) == 0 {
		q.todo = append(q.todo, write{q.pod, q.last})
	}
	r.begin(q)
}

// older: a is an earlier resourceVersion than b. Unequal lengths tell by themselves.
func older(a, b string) bool {
	return len(a) < len(b) || len(a) == len(b) && a < b
}

// Delete queues the pod's deletion from the API, with grace period 0, after all
// that is still to be written.
func (r *Reporter) Delete(pod *v1.Pod) {
	r.turns.moved()
	r.enqueue(pod, func(q *queue) { q.todo, q.last = append(q.todo, write{pod: pod}), nil })
}

// Forget drops what is known of a pod that is gone. What is kept of static pods
// goes with their mirror.
func (r *Reporter) Forget(pod *v1.Pod) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.pods, string(pod.UID))
}

// Wait returns once nothing is being written.
func (r *Reporter) Wait() { r.writes.Wait() }

// flushInterval is how often Flush looks.
const flushInterval = 10 * time.Millisecond

// Flush waits until nothing is left to be written; false if ctx ends before.
func (r *Reporter) Flush(ctx context.Context) bool {
	busy := func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, q := range r.pods {
			if q.busy {
				return true
			}
		}
		return false
	}
	for busy() {
		select {
		case <-ctx.Done():
			return false
		case <-time.After(flushInterval):
		}
	}
	return true
}

func (r *Reporter) enqueue(pod *v1.Pod, add func(*queue)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	q := r.pods[key(pod)]
	if q == nil {
		q = &queue{written: &pod.Status}
		r.pods[key(pod)] = q
		r.turns.moved()
	}
	q.pod = pod
	add(q)
	if q.more != nil {
		close(q.more)
		q.more = nil
	}
	r.begin(q)
}

// begin has the queue written, unless that is going on. Called with r.mu held.
func (r *Reporter) begin(q *queue) {
	if q.busy || len(q.todo) == 0 {
		return
	}
	q.busy = true
	r.clock.Begin()
	r.writes.Add(1)
	go r.empty(q)
}

// empty writes all that one pod's queue has.
func (r *Reporter) empty(q *queue) {
	defer r.writes.Done()
	defer r.clock.End()
	pauses := wait.Backoff{Duration: 50 * time.Millisecond, Factor: 2, Jitter: 0.1, Steps: 1 << 30, Cap: 5 * time.Second}
	backoff := pauses
	r.gather(q)
	for {
		crowded := r.turns.take(r.ctx)
		next, ok := r.next(q, crowded)
		if !ok {
			r.turns.give()
			return
		}
		var err error
		if kubetypes.IsStaticPod(next.pod) || kubetypes.IsMirrorPod(next.pod) {
			err = r.reflect(q, next)
		} else {
			err = r.write(q, next)
		}
		r.turns.give()
		if err == nil {
			backoff = pauses
			continue
		}
		if r.ctx.Err() != nil {
			return
		}
		r.mu.Lock()
		if !q.waiting { // each further attempt would say the same
			klog.FromContext(r.ctx).Error(err, "The API did not take what is to be said of a pod; it is tried again", "pod", klog.KObj(next.pod))
		}
		q.waiting = true
		r.mu.Unlock()
		clock.Pause(r.clock, func() { // in real time: the API server's clock is not the node's
			select {
			case <-time.After(backoff.Step()):
			case <-r.ctx.Done():
			}
		})
		if r.ctx.Err() != nil {
			return
		}
	}
}

// next is what comes first in the queue, or, where many wait, the last status before
// what is no status; false if there is nothing left.
func (r *Reporter) next(q *queue, crowded bool) (write, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for crowded && len(q.todo) > 1 && q.todo[0].status != nil && q.todo[1].status != nil {
		q.todo = q.todo[1:]
	}
	if len(q.todo) == 0 && q.bereft() {
		q.todo = append(q.todo, write{q.pod, q.last})
	}
	if len(q.todo) > 0 {
		return q.todo[0], true
	}
	q.busy = false
	if k := key(q.pod); k != string(q.pod.UID) && q.mirror == nil && q.last == nil {
		delete(r.pods, k) // a static pod that is over, and so is its mirror
	}
	return write{}, false
}

// write writes what comes first of a pod that the API itself has.
func (r *Reporter) write(q *queue, next write) error {
	var version string
	var err error
	if next.status == nil {
		err = r.delete(next.pod)
	} else {
		version, err = r.status(next.pod, q.written, next.status)
	}
	gone := apierrors.IsNotFound(err) || apierrors.IsConflict(err) // conflict: another pod has the name by now
	if err != nil && !gone {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if gone {
		q.todo = nil
		return nil
	}
	q.done(next, version)
	return nil
}

// done takes what was written off the queue. version is the resourceVersion
// since, "" if there was nothing to be changed.
func (q *queue) done(next write, version string) {
	q.waiting, q.todo = false, q.todo[1:]
	if next.status != nil {
		q.written = next.status
	}
	if version != "" {
		q.version = version
	}
}

func (r *Reporter) delete(pod *v1.Pod) error {
	var now int64
	err := r.client.CoreV1().Pods(pod.Namespace).Delete(r.ctx, pod.Name, metav1.DeleteOptions{
		GracePeriodSeconds: &now,
		Preconditions:      metav1.NewUIDPreconditions(string(pod.UID)), // never a new pod of the same name
	})
	if !apierrors.IsNotFound(err) {
		return err
	}
	// An API server that has just started says so of pods that it has: its NodeRestriction looks for them
	// in an informer that nobody waits for (plugin/pkg/admission/noderestriction, admitPodDelete). A list
	// of the node's own pods is what a node may always ask for.
	there, listErr := r.client.CoreV1().Pods(pod.Namespace).List(r.ctx, metav1.ListOptions{
		FieldSelector: fmt.Sprintf("metadata.name=%s,spec.nodeName=%s", pod.Name, pod.Spec.NodeName),
	})
	if listErr != nil {
		return listErr
	}
	if slices.ContainsFunc(there.Items, func(p v1.Pod) bool { return p.UID == pod.UID }) {
		return fmt.Errorf("the API server says that the pod is not there, and lists it: %s", err)
	}
	return err
}

// status writes the status and gives the resourceVersion that the pod has since, "" if nothing was to
// be written. What is said first of one of many pods is written whole, onto the pod that it was
// decided on: the API server takes half as long for that as for a patch. If the pod has become
// another meanwhile, it is a patch after all.
func (r *Reporter) status(pod *v1.Pod, old, status *v1.PodStatus) (version string, err error) {
	if r.turns == nil || old != &pod.Status {
		return r.patch(pod, old, status)
	}
	whole := *pod
	whole.Status = *status
	after, err := r.client.CoreV1().Pods(pod.Namespace).UpdateStatus(r.ctx, &whole, metav1.UpdateOptions{})
	if apierrors.IsConflict(err) {
		return r.patch(pod, old, status)
	}
	if err != nil {
		return "", err
	}
	return after.ResourceVersion, nil
}

// patch writes the status and gives the resourceVersion that the pod has since, "" if nothing was to be written.
func (r *Reporter) patch(pod *v1.Pod, old, status *v1.PodStatus) (version string, err error) {
	body, err := Patch(pod.UID, old, status)
	if err != nil || body == nil {
		return "", err
	}
	after, err := r.client.CoreV1().Pods(pod.Namespace).Patch(r.ctx, pod.Name, types.StrategicMergePatchType, body, metav1.PatchOptions{}, "status")
	if err != nil {
		return "", err
	}
	return after.ResourceVersion, nil
}
