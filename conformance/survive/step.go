package survive

import (
	"context"
	"fmt"
	"slices"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// A Step is a moment of a pod's life that can be seen from outside: in the API server's watch, in
// the runtime's events, or by looking again and again.
type Step struct {
	Name   string
	Ending bool     // of the pod's end
	kinds  []string // that have it

	api    func(watch.EventType, *v1.Pod) bool
	events func(e *runtimeapi.ContainerEventResponse, sandbox bool) bool
	look   func(ctx context.Context, g *Ground, pod string) (bool, error)
}

func sandboxEvent(kind runtimeapi.ContainerEventType) func(*runtimeapi.ContainerEventResponse, bool) bool {
	return func(e *runtimeapi.ContainerEventResponse, sandbox bool) bool {
		return sandbox && e.ContainerEventType == kind
	}
}

func containerEvent(kind runtimeapi.ContainerEventType) func(*runtimeapi.ContainerEventResponse, bool) bool {
	return func(e *runtimeapi.ContainerEventResponse, sandbox bool) bool {
		return !sandbox && e.ContainerEventType == kind
	}
}

var run = []string{plain, hooks} // what goes on until it is ended

// Steps are those of a pod's start and of its end, in their order.
var Steps = []Step{
	{Name: "added", kinds: kinds, api: func(t watch.EventType, _ *v1.Pod) bool { return t == watch.Added }},
	{Name: "bound", kinds: kinds, api: func(_ watch.EventType, pod *v1.Pod) bool { return pod.Spec.NodeName != "" }},
	{Name: "sandbox created", kinds: kinds, events: sandboxEvent(runtimeapi.ContainerEventType_CONTAINER_CREATED_EVENT)},
	{Name: "image pulled", kinds: kinds, look: func(ctx context.Context, g *Ground, _ string) (bool, error) {
		r, err := g.runtime.ImageStatus(ctx, &runtimeapi.ImageSpec{Image: image}, false)
		return r.GetImage() != nil, err
	}},
	{Name: "container created", kinds: kinds, events: containerEvent(runtimeapi.ContainerEventType_CONTAINER_CREATED_EVENT)},
	{Name: "container started", kinds: kinds, events: containerEvent(runtimeapi.ContainerEventType_CONTAINER_STARTED_EVENT)},
	{Name: "ready", kinds: run, api: func(_ watch.EventType, pod *v1.Pod) bool { return settled(plain, pod) == "" }},
	{Name: "container ended", kinds: []string{job, crash, hooks}, events: containerEvent(runtimeapi.ContainerEventType_CONTAINER_STOPPED_EVENT)},

	{Name: "deletion asked", Ending: true, kinds: run, api: func(_ watch.EventType, pod *v1.Pod) bool { return pod.DeletionTimestamp != nil }},
	{Name: "SIGTERM or preStop", Ending: true, kinds: run, look: func(_ context.Context, g *Ground, pod string) (bool, error) {
		n, err := g.begun(pod, "term")
		return n > 0, err
	}},
	{Name: "container exited", Ending: true, kinds: run, events: containerEvent(runtimeapi.ContainerEventType_CONTAINER_STOPPED_EVENT)},
	{Name: "sandbox stopped", Ending: true, kinds: []string{plain, hooks, crash}, events: sandboxEvent(runtimeapi.ContainerEventType_CONTAINER_STOPPED_EVENT)},
	{Name: "deleted by the node", Ending: true, kinds: kinds, api: func(_ watch.EventType, pod *v1.Pod) bool { return let(pod) }},
	{Name: "sandbox removed", Ending: true, kinds: kinds, events: sandboxEvent(runtimeapi.ContainerEventType_CONTAINER_DELETED_EVENT)},
}

// let: the node is done with a pod that was deleted.
func let(pod *v1.Pod) bool {
	return pod.DeletionTimestamp != nil && pod.DeletionGracePeriodSeconds != nil && *pod.DeletionGracePeriodSeconds == 0
}

// StepNamed finds a step by its name.
func StepNamed(name string) (Step, error) {
	if i := slices.IndexFunc(Steps, func(s Step) bool { return s.Name == name }); i >= 0 {
		return Steps[i], nil
	}
	return Step{}, fmt.Errorf("there is no step %q", name)
}

// seen begins to look for the step of a pod. What it gives gets nil when the step is seen, or the
// error that kept it from being seen; before returns, nothing of it is missed.
func (s Step) seen(ctx context.Context, g *Ground, pod string) (<-chan error, error) {
	found := make(chan error, 1)
	switch {
	case s.api != nil:
		options := metav1.ListOptions{FieldSelector: "metadata.name=" + pod}
		list, err := g.client.CoreV1().Pods("default").List(ctx, options)
		if err != nil {
			return nil, err
		}
		options.ResourceVersion = list.ResourceVersion
		w, err := g.client.CoreV1().Pods("default").Watch(ctx, options)
		if err != nil {
			return nil, err
		}
		go func() {
			defer w.Stop()
			for e := range w.ResultChan() {
				if p, ok := e.Object.(*v1.Pod); ok && s.api(e.Type, p) {
					found <- nil
					return
				}
			}
			found <- fmt.Errorf("the watch ended before %s was %s", pod, s.Name)
		}()
	case s.events != nil:
		events, joined := make(chan *runtimeapi.ContainerEventResponse, 256), make(chan struct{})
		go func() {
			err := g.runtime.GetContainerEvents(ctx, events, func(runtimeapi.RuntimeService_GetContainerEventsClient) { close(joined) })
			select {
			case found <- fmt.Errorf("the runtime's events ended before %s: %w", s.Name, err):
			default:
			}
		}()
		go func() {
			for {
				select {
				case e := <-events:
					if e.PodSandboxStatus.GetMetadata().GetName() == pod && s.events(e, e.ContainerId == e.PodSandboxStatus.GetId()) {
						select {
						case found <- nil:
						default:
						}
						return
					}
				case <-ctx.Done():
					return
				}
			}
		}()
		select {
		case <-joined:
		case err := <-found:
			return nil, err
		}
	default:
		go func() {
			for {
				is, err := s.look(ctx, g, pod)
				if is || err != nil {
					found <- err
					return
				}
				select {
				case <-time.After(time.Millisecond):
				case <-ctx.Done():
					return
				}
			}
		}()
	}
	return found, nil
}
