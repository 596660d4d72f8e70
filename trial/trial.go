package trial

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	corev1 "k8s.io/client-go/kubernetes/typed/core/v1"

	"github.com/podling/podling/manifest"
	"github.com/podling/podling/trace"
)

// Options say what is tried, where, and until when.
type Options struct {
	Client    *manifest.Client
	Pods      corev1.PodsGetter
	Documents []*manifest.Document

	Goal    Goal
	Timeout time.Duration // for the goal; deleting has its own

	Keep        bool          // leave there what was made
	GracePeriod time.Duration // that pods get at the end, in whole seconds

	// Show is given every event of the pods that come from the documents, as it happens.
	Show func(trace.Event) error
	// Note is told, in a line, what is no event of a pod.
	Note func(string)
	// Doing is told, in a few words, what is under way.
	Doing func(string)
	// Explain, if set, says in a line why a pod is as it is. It is asked of pods that cannot be
	// scheduled or keep the goal from being reached; the answer is a note.
	Explain func(context.Context, *v1.Pod) string
}

// trial is one run.
type trial struct {
	Options

	roots  []*root
	owners map[types.UID]*root // by the owner's UID, nil for none of ours
	pods   map[types.UID]*root // by the pod's UID, nil for none of ours

	// between are the owners of pods that controllers made for what we made, the highest first.
	between []*unstructured.Unstructured

	events chan trace.Event
	failed chan error // of a Tracer
	blind  bool       // an event could not be shown

	mu    sync.Mutex // for what the applying goroutine writes
	start time.Time  // when the first object was made
	made  []*unstructured.Unstructured
}

// Run tries the documents and returns nil if their pods reached the goal. What it made is deleted in
// the end, also if ctx ends; the error says what stood in the way of the goal, and what is left.
func Run(ctx context.Context, o Options) error {
	t := &trial{
		Options: o,
		owners:  map[types.UID]*root{},
		pods:    map[types.UID]*root{},
		events:  make(chan trace.Event),
		failed:  make(chan error, 1),
	}
	for _, d := range o.Documents {
		t.roots = append(t.roots, newRoot(d, o.Client.NamespaceOf(d), o.Goal))
	}
	// The trace goes on after an interrupt: deleting is seen too.
	following, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	if err := t.follow(ctx, following); err != nil {
		return err
	}
	err := t.try(ctx)
	if o.Keep {
		return err
	}
	return errors.Join(err, t.clean(context.WithoutCancel(ctx)))
}

// follow starts a trace of each namespace that documents go to, and waits until all can be seen.
func (t *trial) follow(ctx, following context.Context) error {
	namespaces := t.Client.Namespaces(t.Documents)
	listed := make(chan struct{}, len(namespaces))
	for _, namespace := range namespaces {
		tracer := &trace.Tracer{Pods: t.Pods, Namespace: namespace, Listed: func() { listed <- struct{}{} }, Note: t.Note}
		go func() {
			err := tracer.Run(following, func(e trace.Event) {
				select {
				case t.events <- e:
				case <-following.Done():
				}
			})
			if err != nil {
				select {
				case t.failed <- err:
				default: // one is enough
				}
			}
		}()
	}
	for waiting := len(namespaces); waiting > 0; {
		select {
		case <-listed:
			waiting--
		case e := <-t.events:
			if e.Pod != nil {
				t.pods[e.Pod.UID] = nil // it was there before us
			}
		case err := <-t.failed:
			return err
		case <-ctx.Done():
			return interrupted(ctx)
		}
	}
	return nil
}

// try applies the documents and shows what comes of them until the goal is reached.
func (t *trial) try(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, t.Timeout)
	applied, done := make(chan error, 1), make(chan struct{})
	go func() {
		defer close(done)
		applied <- t.Client.Apply(ctx, t.Documents, t.note)
	}()
	defer func() {
		cancel()
		<-done // what was made is known before anything is deleted
	}()
	every := time.NewTicker(time.Second)
	defer every.Stop()
	t.Doing("applying")
	for all := false; ; {
		if all && t.missing() == "" {
			return nil
		}
		select {
		case err := <-applied:
			if ctx.Err() != nil {
				return t.late(ctx)
			}
			if err != nil {
				return err
			}
			all = true
			if !slices.ContainsFunc(t.roots, func(r *root) bool { return r.wanted > 0 }) {
				t.Note("nothing here makes pods that could be waited for")
			}
		case e := <-t.events:
			r, err := t.see(ctx, e)
			if err != nil {
				return err
			}
			if r == nil {
				break
			}
			m := r.pods[e.Pod.UID]
			err = r.judge(m, t.Goal)
			if !m.gone && (err != nil || unschedulable(e.Pod)) {
				t.explain(ctx, r, e.Pod)
			}
			if err != nil {
				return err
			}
		case err := <-t.failed:
			return err
		case <-every.C:
			if err := t.jobs(ctx); err != nil {
				return err
			}
		case <-ctx.Done():
			return t.late(ctx)
		}
		t.Doing(fmt.Sprintf("until %s: %s", t.Goal, t.missing()))
	}
}

// note keeps an object that was made.
func (t *trial) note(object *unstructured.Unstructured) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.start.IsZero() {
		t.start = time.Now()
	}
	t.made = append(t.made, object)
}

// see takes an event in and shows it, if it is one of our pods'. It returns the root of that pod; the
// error says that the event could not be shown.
func (t *trial) see(ctx context.Context, e trace.Event) (*root, error) {
	if e.Pod == nil {
		return nil, t.show(e)
	}
	r, known := t.pods[e.Pod.UID]
	if !known {
		var err error
		if r, err = t.rootOf(ctx, e.Pod); err != nil {
			t.Note(err.Error())
		}
		t.pods[e.Pod.UID] = r
	}
	if r == nil {
		return nil, nil
	}
	r.record(e)
	return r, t.show(e)
}

// show shows an event. Where that fails once, nobody looks any more.
func (t *trial) show(e trace.Event) error {
	t.mu.Lock()
	start := t.start
	t.mu.Unlock()
	// The answer to the request that makes a pod and the pod's first event come side by side.
	e.Since = max(0, e.Time.Sub(start))
	if start.IsZero() {
		e.Since = 0
	}
	if t.blind {
		return nil
	}
	err := t.Show(e)
	t.blind = err != nil
	return err
}

// missing says what is yet to reach the goal, in one line; "" if nothing is.
func (t *trial) missing() string {
	for _, r := range t.roots {
		if !r.satisfied() {
			return r.what()
		}
	}
	return ""
}

// late says why the goal was not reached when ctx ended.
func (t *trial) late(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		for _, r := range t.roots {
			if pod := r.open(); pod != nil {
				t.explain(context.WithoutCancel(ctx), r, pod)
			}
		}
		return fmt.Errorf("%s (not %s within %v)", t.missing(), t.Goal, t.Timeout)
	}
	return interrupted(ctx)
}

// explain says what there is to say of a pod that is not as it should be, if it was not just said of
// one of the same root.
func (t *trial) explain(ctx context.Context, r *root, pod *v1.Pod) {
	if t.Explain == nil {
		return
	}
	if text := t.Explain(ctx, pod); text != r.said {
		r.said = text
		t.Note(text)
	}
}

// interrupted is why ctx was cancelled.
func interrupted(ctx context.Context) error {
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause
	}
	return errors.New("interrupted")
}
