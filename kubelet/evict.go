package kubelet

import (
	"time"

	v1 "k8s.io/api/core/v1"

	"github.com/podling/podling/kubelet/worker"
	"github.com/podling/podling/lifecycle"
)

// killPatience is the least time that a pod has to be killed before that is
// called late (upstream: killPodNow in pkg/kubelet/pod_workers.go).
const killPatience = 10 * time.Second

// active are the pods that the node has taken and that are not over, each with
// the status that the node decided last.
func (d *desk) active() []*v1.Pod {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out []*v1.Pod
	for uid, w := range d.workers {
		if pod := w.Pod(); pod != nil && !d.rejected[uid] && !lifecycle.Terminal(pod.Status.Phase) {
			out = append(out, pod)
		}
	}
	return out
}

// evict ends a pod because the node wants it so. What it gives is closed when
// nothing of the pod is left but its record.
func (d *desk) evict(pod *v1.Pod, e lifecycle.Eviction) <-chan struct{} {
	d.mu.Lock()
	w := d.workers[pod.UID]
	d.mu.Unlock()
	if w == nil {
		gone := make(chan struct{})
		close(gone)
		return gone
	}
	d.end(w, pod, e)
	return w.Cleaned()
}

// end has a worker end its pod. What it gives is closed once the pod has stopped,
// or has taken too long, which an Event tells.
func (d *desk) end(w *worker.Worker, pod *v1.Pod, e lifecycle.Eviction) (settled <-chan struct{}) {
	w.Tell(func(o *lifecycle.Observed) {
		if o.Evict == nil {
			o.Evict = &e
		}
	})
	done := make(chan struct{})
	go func() {
		defer close(done)
		d.killedInTime(w, pod, e)
	}()
	return done
}

// warn records a Warning about a pod, or about the node if there is none.
func (k *Kubelet) warn(pod *v1.Pod, annotations map[string]string, reason, message string) {
	if pod == nil {
		k.node.Event(v1.EventTypeWarning, reason, message)
		return
	}
	k.recorder.of(pod).AnnotatedEventf(pointTo(pod, ""), annotations, v1.EventTypeWarning, reason, "%s", message)
}

// killedInTime waits until a pod has stopped, and says so if that takes too long.
func (d *desk) killedInTime(w *worker.Worker, pod *v1.Pod, e lifecycle.Eviction) {
	grace := e.Grace
	if grace == nil {
		grace = pod.Spec.TerminationGracePeriodSeconds
	}
	patience := killPatience
	if grace != nil {
		patience = max(patience, time.Duration(*grace)*time.Second*3/2)
	}
	select {
	case <-w.Killed():
	case <-d.ctx.Done():
	case <-d.shared.Clock.After(patience):
		d.shared.Event(pod, lifecycle.Event{Type: v1.EventTypeWarning, Reason: "ExceededGracePeriod",
			Message: "Container runtime did not kill the pod within specified grace period."})
	}
}
