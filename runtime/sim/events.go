package sim

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// listener is one that is told of events, in order. Each event is something that
// has begun until it has been told.
type listener struct {
	mu    sync.Mutex
	queue []*runtimeapi.ContainerEventResponse
	wake  chan struct{}
}

// tell tells all listeners of an event. Called with r.mu held.
func (r *Runtime) tell(id string, s *sandbox, kind runtimeapi.ContainerEventType, now int64) {
	if len(r.listeners) == 0 {
		return
	}
	e := &runtimeapi.ContainerEventResponse{ContainerId: id, ContainerEventType: kind, CreatedAt: now}
	if r.sandboxes[s.id] != nil {
		e.PodSandboxStatus = s.status()
	}
	for _, c := range s.containers {
		e.ContainersStatuses = append(e.ContainersStatuses, c.status())
	}
	for _, l := range r.listeners {
		r.clk.Begin()
		l.mu.Lock()
		l.queue = append(l.queue, e)
		l.mu.Unlock()
		select {
		case l.wake <- struct{}{}:
		default:
		}
	}
}

// Events calls on for every event from now on, one after the other, until ctx
// ends; joined is called once none will be missed. An event that is being told
// has begun and not ended, as the clock sees it.
func (r *Runtime) Events(ctx context.Context, joined func(), on func(*runtimeapi.ContainerEventResponse)) {
	l := &listener{wake: make(chan struct{}, 1)}
	r.mu.Lock()
	r.listeners = append(r.listeners, l)
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		r.listeners = slices.DeleteFunc(slices.Clone(r.listeners), func(other *listener) bool { return other == l })
		r.mu.Unlock()
		for range l.take() {
			r.clk.End()
		}
	}()
	if joined != nil {
		joined()
	}
	for {
		for _, e := range l.take() {
			if ctx.Err() == nil {
				on(e)
			}
			r.clk.End()
		}
		select {
		case <-l.wake:
		case <-ctx.Done():
			return
		}
	}
}

func (l *listener) take() []*runtimeapi.ContainerEventResponse {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := l.queue
	l.queue = nil
	return out
}

// GetContainerEvents is the CRI's.
func (r *Runtime) GetContainerEvents(ctx context.Context, events chan *runtimeapi.ContainerEventResponse, joined func(runtimeapi.RuntimeService_GetContainerEventsClient)) error {
	r.Events(ctx, func() {
		if joined != nil {
			joined(nil)
		}
	}, func(e *runtimeapi.ContainerEventResponse) {
		select {
		case events <- e:
		case <-ctx.Done():
		}
	})
	return ctx.Err()
}

// inOrder are a map's values, by their order.
func inOrder[T any](m map[string]*T, order func(*T) uint64) []*T {
	return slices.SortedFunc(maps.Values(m), func(a, b *T) int { return cmp.Compare(order(a), order(b)) })
}
