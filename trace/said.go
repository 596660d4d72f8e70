package trace

import (
	"context"
	"fmt"
	"slices"
	"sync"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
)

// mostHeld is how many Events wait at most for their pod to be seen.
const mostHeld = 4096

// sayings are the Events that came, and the pods whose Events are wanted. Two watches keep no order
// between them: an Event can be here before its pod is.
type sayings struct {
	mu    sync.Mutex
	pods  map[types.UID]bool
	held  []Event              // about pods that were not seen yet, oldest first
	shown map[types.UID]string // versions by Event, so that a fresh list shows only what is new
}

func newSayings() *sayings {
	return &sayings{pods: map[types.UID]bool{}, shown: map[types.UID]string{}}
}

// events is the watch of the Events about pods.
func (t *Tracer) events() *stream {
	from := t.Events.Events(t.Namespace)
	selected := func(o metav1.ListOptions) metav1.ListOptions {
		about := fields.Set{"involvedObject.kind": "Pod"}
		if len(t.Names) == 1 {
			about["involvedObject.name"] = t.Names[0]
		}
		o.FieldSelector = about.AsSelector().String()
		return o
	}
	return &stream{
		what: "Events", note: t.note, expired: func(error) {}, // the list that follows shows what was missed
		list: func(ctx context.Context, first bool) (string, error) {
			list, err := from.List(ctx, selected(metav1.ListOptions{}))
			if err != nil {
				return "", err
			}
			slices.SortStableFunc(list.Items, func(a, b v1.Event) int { return saidAt(&a).Time.Compare(saidAt(&b).Time) })
			for i := range list.Items {
				t.hear(&list.Items[i], first)
			}
			return list.ResourceVersion, nil
		},
		open: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			return from.Watch(ctx, selected(o))
		},
		see: func(kind watch.EventType, object runtime.Object) error {
			said, ok := object.(*v1.Event)
			if !ok {
				return fmt.Errorf("a watch of Events sent a %T", object)
			}
			if kind == watch.Deleted {
				t.forget(said.UID)
				return nil
			}
			t.hear(said, false)
			return nil
		},
	}
}

// hear shows an Event, now or when its pod has been seen.
func (t *Tracer) hear(said *v1.Event, existing bool) {
	t.said.mu.Lock()
	defer t.said.mu.Unlock()
	if t.said.shown[said.UID] == said.ResourceVersion {
		return
	}
	t.said.shown[said.UID] = said.ResourceVersion
	e := Event{Type: Said, Said: said, Existing: existing}
	if t.said.pods[said.InvolvedObject.UID] {
		t.send(e)
		return
	}
	if existing {
		return // of a pod that has gone, or that nobody asked for
	}
	if len(t.said.held) == mostHeld {
		t.said.held = slices.Delete(t.said.held, 0, 1)
	}
	t.said.held = append(t.said.held, e)
}

// admit shows what was heard of a pod before it was seen.
func (t *Tracer) admit(pod types.UID) {
	t.said.mu.Lock()
	defer t.said.mu.Unlock()
	if t.said.pods[pod] {
		return
	}
	t.said.pods[pod] = true
	t.said.held = slices.DeleteFunc(t.said.held, func(e Event) bool {
		about := e.Said.InvolvedObject.UID == pod
		if about {
			t.send(e)
		}
		return about
	})
}

func (t *Tracer) forget(event types.UID) {
	t.said.mu.Lock()
	defer t.said.mu.Unlock()
	delete(t.said.shown, event)
}
