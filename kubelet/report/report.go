// Package report writes what the node decided into the API: pod statuses, in the
// order in which they were decided, and the final deletion. It is the only part
// of the node that writes pods.
package report

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
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
	waiting bool // the API did not take the last write: of what piles up only the newest counts
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
	})
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
	if !q.busy {
		q.busy = true
		r.writes.Add(1)
		go r.write(q)
	}
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

		var err error
		if remove {
			err = r.delete(pod)
		} else {
			err = r.patch(pod, q.written, &status)
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

func (r *Reporter) patch(pod *v1.Pod, old, status *v1.PodStatus) error {
	body, err := Patch(pod.UID, old, status)
	if err != nil || body == nil {
		return err
	}
	_, err = r.client.CoreV1().Pods(pod.Namespace).Patch(r.ctx, pod.Name, types.StrategicMergePatchType, body, metav1.PatchOptions{}, "status")
	return err
}

// Patch is the strategic merge patch that makes old into status, nil if they
// are alike. It names only what the node owns: other writers' conditions stay.
func Patch(uid types.UID, old, status *v1.PodStatus) ([]byte, error) {
	changes, err := fields(old, status)
	if err != nil || len(changes) == 0 {
		return nil, err
	}
	return json.Marshal(map[string]any{"metadata": map[string]any{"uid": uid}, "status": changes})
}

// fields are the status's fields that differ, as the patch has to say them.
func fields(old, status *v1.PodStatus) (map[string]any, error) {
	was, err := asMap(old)
	if err != nil {
		return nil, err
	}
	is, err := asMap(status)
	if err != nil {
		return nil, err
	}
	out := map[string]any{}
	for k, v := range is {
		if !equality.Semantic.DeepEqual(was[k], v) {
			out[k] = v
		}
	}
	for k := range was {
		if _, ok := is[k]; !ok {
			out[k] = nil
		}
	}
	delete(out, "conditions")
	if changed, order := conditions(old, status); len(changed) > 0 {
		out["conditions"] = changed
		if len(order) > 0 {
			out["$setElementOrder/conditions"] = order
		}
	}
	for _, list := range []string{"podIPs", "hostIPs"} { // merged by address otherwise, and old ones would stay
		if v, ok := out[list].([]any); ok {
			out[list] = append([]any{map[string]any{"$patch": "replace"}}, v...)
		}
	}
	return out, nil
}

// conditions are those that differ, whole: a field that became empty is named,
// for a merge keeps what is not. The order is the status's own.
func conditions(old, status *v1.PodStatus) (changed, order []any) {
	for _, c := range status.Conditions {
		order = append(order, map[string]any{"type": c.Type})
		same := false
		for _, o := range old.Conditions {
			same = same || equality.Semantic.DeepEqual(o, c)
		}
		if same || !lifecycle.Owned(c.Type) && c.Type != v1.DisruptionTarget {
			continue
		}
		m := map[string]any{"type": c.Type, "status": c.Status, "lastProbeTime": nil, "lastTransitionTime": c.LastTransitionTime, "reason": nil, "message": nil}
		if c.Reason != "" {
			m["reason"] = c.Reason
		}
		if c.Message != "" {
			m["message"] = c.Message
		}
		if c.ObservedGeneration != 0 {
			m["observedGeneration"] = c.ObservedGeneration
		}
		changed = append(changed, m)
	}
	for _, o := range old.Conditions {
		if lifecycle.Owned(o.Type) && lifecycle.Condition(status, o.Type) == nil {
			changed = append(changed, map[string]any{"$patch": "delete", "type": o.Type})
		}
	}
	return changed, order
}

func asMap(s *v1.PodStatus) (map[string]any, error) {
	raw, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("status: %w", err)
	}
	out := map[string]any{}
	return out, json.Unmarshal(raw, &out)
}
