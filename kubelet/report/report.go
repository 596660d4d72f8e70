// Package report writes what the node decided into the API: pod statuses, in the
// order in which they were decided, and the final deletion. It is the only part
// of the node that writes pods.
package report

import (
	"context"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/klog/v2"

	"github.com/podling/podling/lifecycle"
)

// Reporter writes statuses. Each pod has a queue of its own, so that no pod
// waits for another and no state of a pod overtakes or swallows another.
type Reporter struct {
	client kubernetes.Interface
	ctx    context.Context
	writes sync.WaitGroup

	mu   sync.Mutex
	pods map[types.UID]*queue
}

// queue is what is still to be written of one pod.
type queue struct {
	pod     *v1.Pod
	written *v1.PodStatus // what the API has, as far as is known
	todo    []v1.PodStatus
	remove  bool // delete the pod once all is written
	busy    bool
	last    *v1.PodStatus
	version string // the pod's resourceVersion after the last write
	waiting bool   // the API did not take the last write: of what piles up only the newest counts
}

// New gives a reporter that writes until ctx ends.
func New(ctx context.Context, client kubernetes.Interface) *Reporter {
	return &Reporter{client: client, ctx: ctx, pods: map[types.UID]*queue{}}
}

// Status queues a status of the pod.
func (r *Reporter) Status(pod *v1.Pod, status v1.PodStatus) {
	r.enqueue(pod, func(q *queue) {
		if q.waiting && len(q.todo) > 1 {
			q.todo = q.todo[:1]
		}
		q.todo = append(q.todo, status)
		q.last = &status
	})
}

// Seen compares what the API has with what was written. Where somebody else has
// turned the pod's readiness over since (the node controller does, for a node
// that seemed away), the last status is written once more.
func (r *Reporter) Seen(pod *v1.Pod) {
	r.mu.Lock()
	defer r.mu.Unlock()
	q := r.pods[pod.UID]
	if q == nil || q.busy || q.last == nil || older(pod.ResourceVersion, q.version) {
		return
	}
	for _, t := range []v1.PodConditionType{v1.PodReady, v1.ContainersReady} {
		ours, theirs := lifecycle.Condition(q.last, t), lifecycle.Condition(&pod.Status, t)
		if ours != nil && theirs != nil && ours.Status != theirs.Status {
			q.pod, q.written, q.todo = pod, &pod.Status, append(q.todo, *q.last)
			r.begin(q)
			return
		}
	}
}

// older: a is an earlier resourceVersion than b. Unequal lengths tell by themselves.
func older(a, b string) bool {
	return len(a) < len(b) || len(a) == len(b) && a < b
}

// Delete queues the pod's deletion from the API, with grace period 0, after all
// that is still to be written.
func (r *Reporter) Delete(pod *v1.Pod) {
	r.enqueue(pod, func(q *queue) { q.remove = true })
}

// Forget drops what is known of a pod that is gone.
func (r *Reporter) Forget(uid types.UID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.pods, uid)
}

// Wait returns once nothing is being written.
func (r *Reporter) Wait() { r.writes.Wait() }

func (r *Reporter) enqueue(pod *v1.Pod, add func(*queue)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	q := r.pods[pod.UID]
	if q == nil {
		q = &queue{written: &pod.Status}
		r.pods[pod.UID] = q
	}
	q.pod = pod
	add(q)
	r.begin(q)
}

// begin has the queue written, unless that is going on. Called with r.mu held.
func (r *Reporter) begin(q *queue) {
	if q.busy {
		return
	}
	q.busy = true
	r.writes.Add(1)
	go r.write(q)
}

// write empties one pod's queue.
func (r *Reporter) write(q *queue) {
	defer r.writes.Done()
	backoff := wait.Backoff{Duration: 50 * time.Millisecond, Factor: 2, Jitter: 0.1, Steps: 1 << 30, Cap: 5 * time.Second}
	for {
		r.mu.Lock()
		if len(q.todo) == 0 && !q.remove {
			q.busy = false
			r.mu.Unlock()
			return
		}
		pod, remove := q.pod, len(q.todo) == 0
		var status v1.PodStatus
		if !remove {
			status = q.todo[0]
		}
		r.mu.Unlock()

		var version string
		var err error
		if remove {
			err = r.delete(pod)
		} else {
			version, err = r.patch(pod, q.written, &status)
		}
		gone := apierrors.IsNotFound(err) || apierrors.IsConflict(err) // conflict: another pod has the name by now
		if err != nil && !gone {
			if r.ctx.Err() != nil {
				return
			}
			klog.FromContext(r.ctx).V(1).Info("The API did not take a pod's status; trying again", "pod", klog.KObj(pod), "err", err)
			r.mu.Lock()
			q.waiting = true
			r.mu.Unlock()
			select {
			case <-time.After(backoff.Step()):
			case <-r.ctx.Done():
				return
			}
			continue
		}
		r.mu.Lock()
		q.waiting = false
		switch {
		case gone:
			q.todo, q.remove = nil, false
		case remove:
			q.remove = false
		default:
			q.written, q.todo = &status, q.todo[1:]
			if version != "" {
				q.version = version
			}
		}
		r.mu.Unlock()
	}
}

func (r *Reporter) delete(pod *v1.Pod) error {
	var now int64
	return r.client.CoreV1().Pods(pod.Namespace).Delete(r.ctx, pod.Name, metav1.DeleteOptions{
		GracePeriodSeconds: &now,
		Preconditions:      metav1.NewUIDPreconditions(string(pod.UID)), // never a new pod of the same name
	})
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
