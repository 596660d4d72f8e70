package report

import (
	"errors"
	"fmt"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kubetypes "k8s.io/kubernetes/pkg/kubelet/types"

	"github.com/podling/podling/kubelet/static"
)

// Mirror takes in what the API has as the mirror of a static pod. One that was
// deleted, or is to be, is made anew if there is a static pod that it stood for.
func (r *Reporter) Mirror(mirror *v1.Pod, gone bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	q := r.pods[key(mirror)]
	if q == nil {
		q = &queue{}
		r.pods[key(mirror)] = q
	}
	same := q.mirror != nil && q.mirror.UID == mirror.UID
	switch {
	case gone && same:
		q.mirror = nil
		r.again(q)
	case gone: // of one that has been replaced already
	case same:
		if older(mirror.ResourceVersion, q.version) {
			return
		}
		over := !q.busy && q.last != nil && turnedOver(q.last, &mirror.Status)
		if q.mirror = mirror; over {
			q.written = &mirror.Status
		}
		if over || mirror.DeletionTimestamp != nil {
			r.again(q)
		}
	case q.mirror == nil || older(q.mirror.ResourceVersion, mirror.ResourceVersion):
		q.mirror, q.written, q.version = mirror, &mirror.Status, mirror.ResourceVersion
		r.again(q)
	}
	if q.mirror == nil && q.last == nil && !q.busy {
		delete(r.pods, key(mirror))
	}
}

// reflect brings the mirror nearer to what comes first in the queue, by one step
// (upstream: tryReconcileMirrorPods in pkg/kubelet/kubelet.go).
func (r *Reporter) reflect(q *queue, next write) error {
	r.mu.Lock()
	mirror, written := q.mirror, q.written
	over := next.pod.DeletionTimestamp != nil || q.todo[len(q.todo)-1].status == nil
	if mirror == nil && over { // nobody needs to see it any more
		q.done(next, "")
		r.mu.Unlock()
		return nil
	}
	r.mu.Unlock()
	switch {
	case mirror == nil:
		return r.create(q, next.pod)
	case next.status == nil:
		return r.take(q, mirror, func() { q.done(next, "") })
	case mirror.DeletionTimestamp != nil || !static.Mirrors(mirror, next.pod):
		return r.take(q, mirror, func() {})
	}
	version, err := r.patch(mirror, written, next.status)
	gone := apierrors.IsNotFound(err) || apierrors.IsConflict(err)
	if err != nil && !gone {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if gone {
		q.lost(mirror)
		return nil
	}
	q.done(next, version)
	return nil
}

// bereft: the static pod's mirror went, or is to go, while its last status was on the
// way, and is to be made anew.
func (q *queue) bereft() bool {
	return kubetypes.IsStaticPod(q.pod) && q.pod.DeletionTimestamp == nil && q.last != nil && (q.mirror == nil || q.mirror.DeletionTimestamp != nil)
}

// lost: the mirror is not there any more, whatever came after it.
func (q *queue) lost(mirror *v1.Pod) {
	if q.mirror != nil && q.mirror.UID == mirror.UID {
		q.mirror = nil
	}
}

// take deletes the mirror and then notes that it did.
func (r *Reporter) take(q *queue, mirror *v1.Pod, note func()) error {
	err := r.delete(mirror)
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		return fmt.Errorf("deleting the mirror: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	q.lost(mirror)
	note()
	return nil
}

// create makes the static pod's mirror.
func (r *Reporter) create(q *queue, pod *v1.Pod) error {
	node := r.node()
	switch {
	case node == nil:
		return errors.New("a mirror belongs to the node, which is not registered yet")
	case node.DeletionTimestamp != nil:
		return fmt.Errorf("a mirror belongs to the node, and node %s is being deleted", node.Name)
	}
	pods := r.client.CoreV1().Pods(pod.Namespace)
	mirror, err := pods.Create(r.ctx, static.Mirror(pod, node), metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		if mirror, err = pods.Get(r.ctx, pod.Name, metav1.GetOptions{}); err == nil && !kubetypes.IsMirrorPod(mirror) {
			err = errors.New("there is another pod of that name")
		}
	}
	if err != nil {
		return fmt.Errorf("creating the mirror: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if q.mirror == nil || q.mirror.UID != mirror.UID { // else the watch was faster
		q.mirror, q.written, q.version = mirror, &mirror.Status, mirror.ResourceVersion
	}
	return nil
}
