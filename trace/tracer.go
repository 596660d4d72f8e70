package trace

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	corev1 "k8s.io/client-go/kubernetes/typed/core/v1"
)

// Tracer follows the pods that Namespace, Names and Labels select: by one list and one watch of pods,
// and by as many of Events if these are wanted, however many pods there are.
type Tracer struct {
	Pods corev1.PodsGetter

	Namespace string   // all namespaces if empty
	Names     []string // of the pods to follow; every pod if empty
	Labels    string   // a label selector in kubectl's syntax; every pod if empty

	// Writers: who made each change is found as well, from the pods' managed fields.
	Writers bool

	// Events, if set, is where the Kubernetes Events about these pods are had from. If they may not be
	// seen, Note says so and the pods are followed without.
	Events corev1.EventsGetter

	// Start is the moment that Event.Since counts from; when Run began if zero.
	Start time.Time

	// Listed, if set, is called once, when the first list is through: what happens to a pod from then
	// on is seen.
	Listed func()

	// Note, if set, is told what happens to the connection: that it is lost, and that it is back.
	Note func(string)

	mu    sync.Mutex // held while an event is handed on
	emit  func(Event)
	known map[types.NamespacedName]*v1.Pod
	said  *sayings
}

// Run hands every event to emit, one at a time, until ctx ends; it then returns nil. An error means
// that the cluster could not be listed in the first place or no longer lets us: a connection that is
// lost later is tried again for as long as it takes.
func (t *Tracer) Run(ctx context.Context, emit func(Event)) error {
	t.emit, t.known, t.said = emit, map[types.NamespacedName]*v1.Pod{}, newSayings()
	if t.Start.IsZero() {
		t.Start = time.Now()
	}
	pods := t.pods()
	streams := []*stream{pods}
	if err := pods.begin(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	if t.Events != nil {
		events := t.events()
		if err := events.begin(ctx); err == nil {
			streams = append(streams, events)
		} else if ctx.Err() == nil {
			t.note(fmt.Sprintf("going on without Events: %v", err))
		}
	}
	if t.Listed != nil {
		t.Listed()
	}
	return t.follow(ctx, streams)
}

// follow runs the streams. The pods' end ends all; that of Events is only noted.
func (t *Tracer) follow(ctx context.Context, streams []*stream) error {
	ctx, stop := context.WithCancel(ctx)
	var others sync.WaitGroup
	for _, s := range streams[1:] {
		others.Go(func() {
			if err := s.run(ctx); err != nil {
				t.note(fmt.Sprintf("going on without Events: %v", err))
			}
		})
	}
	err := streams[0].run(ctx)
	stop()
	others.Wait()
	return err
}

// pods is the watch of the pods.
func (t *Tracer) pods() *stream {
	from := t.Pods.Pods(t.Namespace)
	return &stream{
		what: "pods", list: t.list, note: t.note,
		open: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			return from.Watch(ctx, t.selected(o))
		},
		see: func(kind watch.EventType, object runtime.Object) error {
			pod, ok := object.(*v1.Pod)
			if !ok {
				return fmt.Errorf("a watch of pods sent a %T", object)
			}
			t.see(kind, pod, false)
			return nil
		},
		expired: func(err error) {
			t.send(Event{Type: watch.Error, Err: err})
		},
	}
}

// list shows where the pods stand by now as if the watch had said so, and returns the version that
// a watch goes on from. Only what differs from the last known state is shown.
func (t *Tracer) list(ctx context.Context, first bool) (string, error) {
	pods, err := t.Pods.Pods(t.Namespace).List(ctx, t.selected(metav1.ListOptions{}))
	if err != nil {
		return "", err
	}
	now := make(map[types.NamespacedName]types.UID, len(pods.Items))
	for i := range pods.Items {
		now[key(&pods.Items[i])] = pods.Items[i].UID
	}
	for _, k := range slices.SortedFunc(maps.Keys(t.known), byName) {
		if was := t.known[k]; now[k] != was.UID {
			t.see(watch.Deleted, was, false)
		}
	}
	for i := range pods.Items {
		pod := &pods.Items[i]
		if t.known[key(pod)] == nil {
			t.see(watch.Added, pod, first)
		} else {
			t.see(watch.Modified, pod, false)
		}
	}
	return pods.ResourceVersion, nil
}

// see shows one event, unless the state that it carries has been shown already or nobody asked for
// the pod.
func (t *Tracer) see(kind watch.EventType, pod *v1.Pod, existing bool) {
	if len(t.Names) > 1 && !slices.Contains(t.Names, pod.Name) {
		return
	}
	was := t.known[key(pod)]
	if kind == watch.Deleted {
		delete(t.known, key(pod))
	} else {
		if was != nil && was.ResourceVersion == pod.ResourceVersion {
			return
		}
		t.known[key(pod)] = pod
	}
	e := Event{Type: kind, Pod: pod, Changes: Compare(was, pod), Existing: existing}
	if t.Writers && !existing {
		e.Writers = writers(was, pod, e.Changes)
	}
	t.send(e)
	if t.Events != nil {
		t.admit(pod.UID)
	}
}

// send hands an event on, with the time.
func (t *Tracer) send(e Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e.Time = time.Now()
	e.Since = e.Time.Sub(t.Start)
	t.emit(e)
}

// selected are the options for the pods that are followed. The API selects one by its name or all:
// where some are asked for, see leaves the others out.
func (t *Tracer) selected(options metav1.ListOptions) metav1.ListOptions {
	options.LabelSelector = t.Labels
	if len(t.Names) == 1 {
		options.FieldSelector = fields.OneTermEqualSelector("metadata.name", t.Names[0]).String()
	}
	return options
}

func (t *Tracer) note(text string) {
	if t.Note != nil {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.Note(text)
	}
}

func key(pod *v1.Pod) types.NamespacedName {
	return types.NamespacedName{Namespace: pod.Namespace, Name: pod.Name}
}

func byName(a, b types.NamespacedName) int {
	return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
}
