package podlingtest

import (
	"context"
	"fmt"
	"sync"

	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"

	"github.com/podling/podling/trace"
)

// How many events are kept of a pod: enough to tell what became of it, and fewer
// where there are so many pods that nobody reads them all.
const (
	manyPods       = 500
	keptEvents     = 100
	keptEventsMany = 10
)

// record is what became of a cluster's pods, from the start on, by one watch.
type record struct {
	cancel context.CancelFunc
	ended  chan struct{}

	mu      sync.Mutex
	seq     int // events so far
	pods    map[string]*history
	order   []string // in which pods came
	changed chan struct{}
}

// history is a pod's, and that of its predecessors of the same name.
type history struct {
	events  []trace.Event
	last    int // seq of the last event
	dropped int // events that are not kept any more
}

// startRecord returns when the watch stands.
func startRecord(ctx context.Context, client kubernetes.Interface) (*record, error) {
	r := &record{ended: make(chan struct{}), pods: map[string]*history{}, changed: make(chan struct{})}
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	r.cancel = cancel
	listed := make(chan struct{})
	t := trace.Tracer{Pods: client.CoreV1(), Listed: func() { close(listed) }}
	var err error
	go func() {
		defer close(r.ended)
		err = t.Run(running, r.add)
	}()
	select {
	case <-listed:
		return r, nil
	case <-r.ended:
		cancel()
		return nil, fmt.Errorf("the cluster's pods: %w", err)
	case <-ctx.Done():
		cancel()
		<-r.ended
		return nil, fmt.Errorf("the cluster's pods: %w", ctx.Err())
	}
}

func (r *record) stop() {
	r.cancel()
	<-r.ended
}

func (r *record) add(e trace.Event) {
	if e.Type == watch.Error {
		return // a fresh list follows
	}
	pod := *e.Pod
	pod.ManagedFields = nil
	e.Pod = &pod
	key := pod.Namespace + "/" + pod.Name
	r.mu.Lock()
	defer r.mu.Unlock()
	h := r.pods[key]
	if h == nil {
		h = &history{}
		r.pods[key] = h
		r.order = append(r.order, key)
	}
	r.seq++
	h.last = r.seq
	h.events = append(h.events, e)
	keep := keptEvents
	if len(r.pods) > manyPods {
		keep = keptEventsMany
	}
	if more := len(h.events) - keep; more > 0 {
		h.events = append([]trace.Event(nil), h.events[more:]...)
		h.dropped += more
	}
	close(r.changed)
	r.changed = make(chan struct{})
}

// now is where the record stands.
func (r *record) now() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.seq
}

// of gives a pod's history, and what tells that there is more of any.
func (r *record) of(key string) (history, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out history
	if h := r.pods[key]; h != nil {
		out = *h
		out.events = out.events[:len(out.events):len(out.events)]
	}
	return out, r.changed
}

// after are the pods to which something happened since, in the order in which they came.
func (r *record) after(since int) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []string
	for _, key := range r.order {
		if r.pods[key].last > since {
			out = append(out, key)
		}
	}
	return out
}
