package trace

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	corev1 "k8s.io/client-go/kubernetes/typed/core/v1"
)

// The pause before a lost connection is tried again: the first, and the longest.
const (
	firstPause   = 200 * time.Millisecond
	longestPause = 5 * time.Second
)

// Tracer follows the pods that Namespace, Name and Labels select.
type Tracer struct {
	Pods corev1.PodsGetter

	Namespace string // all namespaces if empty
	Name      string // of the one pod to follow; every pod if empty
	Labels    string // a label selector in kubectl's syntax; every pod if empty

	// Start is the moment that Event.Since counts from; when Run began if zero.
	Start time.Time

	// Listed, if set, is called once, when the first list is through: what happens to a pod from then
	// on is seen.
	Listed func()

	// Note, if set, is told what happens to the connection: that it is lost, and that it is back.
	Note func(string)

	emit  func(Event)
	known map[types.NamespacedName]*v1.Pod
}

// Run hands every event to emit, one at a time, until ctx ends; it then returns nil. An error means
// that the cluster could not be listed in the first place or no longer lets us: a connection that is
// lost later is tried again for as long as it takes.
func (t *Tracer) Run(ctx context.Context, emit func(Event)) error {
	t.emit, t.known = emit, map[types.NamespacedName]*v1.Pod{}
	if t.Start.IsZero() {
		t.Start = time.Now()
	}
	version, err := t.list(ctx, true)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("pods cannot be listed: %w", err)
	}
	if t.Listed != nil {
		t.Listed()
	}

	relist := false
	pause := firstPause
	lost := false
	for {
		began := time.Now()
		if relist {
			var fresh string
			if fresh, err = t.list(ctx, false); err == nil {
				version, relist = fresh, false
			}
		}
		if !relist {
			err = t.watch(ctx, &version, func() {
				if lost {
					t.note("connected again")
				}
				lost, pause = false, firstPause
			})
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case refused(err):
			return fmt.Errorf("pods can no longer be watched: %w", err)
		case answered(err) && !relist:
			t.emit(Event{Time: time.Now(), Since: time.Since(t.Start), Type: watch.Error, Err: err})
			relist = true
		case err != nil && !lost:
			t.note(fmt.Sprintf("connection lost, trying again: %v", err))
			lost = true
		}
		// A watch that the server ended in its own time is taken up again at once.
		if err == nil && time.Since(began) > firstPause {
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
		pause = min(2*pause, longestPause)
	}
}

// list shows where the pods stand by now as if the watch had said so, and returns the version that
// a watch goes on from. Only what differs from the last known state is shown.
func (t *Tracer) list(ctx context.Context, first bool) (string, error) {
	pods, err := t.Pods.Pods(t.Namespace).List(ctx, t.options())
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

// watch shows events until the watch ends, and moves version along with them. The error is what the
// server said in an ERROR event or instead of a watch, nil if the watch just ended.
func (t *Tracer) watch(ctx context.Context, version *string, connected func()) error {
	options := t.options()
	options.ResourceVersion, options.AllowWatchBookmarks = *version, true
	w, err := t.Pods.Pods(t.Namespace).Watch(ctx, options)
	if err != nil {
		return err
	}
	defer w.Stop()
	connected()
	for e := range w.ResultChan() {
		if e.Type == watch.Error {
			return apierrors.FromObject(e.Object)
		}
		pod, ok := e.Object.(*v1.Pod)
		if !ok {
			return fmt.Errorf("a watch of pods sent a %T", e.Object)
		}
		*version = pod.ResourceVersion
		if e.Type != watch.Bookmark {
			t.see(e.Type, pod, false)
		}
	}
	return nil
}

// see shows one event, unless the state that it carries has been shown already.
func (t *Tracer) see(kind watch.EventType, pod *v1.Pod, existing bool) {
	was := t.known[key(pod)]
	if kind == watch.Deleted {
		delete(t.known, key(pod))
	} else {
		if was != nil && was.ResourceVersion == pod.ResourceVersion {
			return
		}
		t.known[key(pod)] = pod
	}
	now := time.Now()
	t.emit(Event{Time: now, Since: now.Sub(t.Start), Type: kind, Pod: pod, Changes: Compare(was, pod), Existing: existing})
}

func (t *Tracer) options() metav1.ListOptions {
	options := metav1.ListOptions{LabelSelector: t.Labels}
	if t.Name != "" {
		options.FieldSelector = fields.OneTermEqualSelector("metadata.name", t.Name).String()
	}
	return options
}

func (t *Tracer) note(text string) {
	if t.Note != nil {
		t.Note(text)
	}
}

// refused says that asking again will not help.
func refused(err error) bool {
	return apierrors.IsUnauthorized(err) || apierrors.IsForbidden(err)
}

// answered says that the API server itself ended the watch with an error, 410 Gone as a rule, so that
// only a fresh list can go on. A server that is busy or starting is asked again instead.
func answered(err error) bool {
	var status apierrors.APIStatus
	if !errors.As(err, &status) || apierrors.IsTooManyRequests(err) || apierrors.IsServiceUnavailable(err) {
		return false
	}
	return true
}

func key(pod *v1.Pod) types.NamespacedName {
	return types.NamespacedName{Namespace: pod.Namespace, Name: pod.Name}
}

func byName(a, b types.NamespacedName) int {
	return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
}
