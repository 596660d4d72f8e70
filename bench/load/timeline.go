package load

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/watch"
)

// A moment is when something was first seen.
type moment struct {
	at   time.Time     // set before seen is closed, read after
	seen chan struct{} // closed then
}

func (m *moment) happened() bool {
	select {
	case <-m.seen:
		return true
	default:
		return false
	}
}

func (m *moment) now() {
	if !m.happened() {
		m.at = time.Now()
		close(m.seen)
	}
}

// A timeline is when a watch first saw each pod Running, and gone.
type timeline struct {
	running, gone []*moment
}

func newTimeline(pods int) *timeline {
	t := &timeline{}
	for range pods {
		t.running = append(t.running, &moment{seen: make(chan struct{})})
		t.gone = append(t.gone, &moment{seen: make(chan struct{})})
	}
	return t
}

// follow notes what the watch shows until ctx ends.
func (t *timeline) follow(ctx context.Context, w watch.Interface) error {
	defer w.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case e, ok := <-w.ResultChan():
			switch {
			case ctx.Err() != nil:
				return nil
			case !ok:
				return errors.New("the API server ended the watch of pods")
			case e.Type == watch.Error:
				return fmt.Errorf("watch of pods: %w", apierrors.FromObject(e.Object))
			}
			if pod, ok := e.Object.(*v1.Pod); ok {
				if err := t.note(e.Type, pod); err != nil {
					return err
				}
			}
		}
	}
}

func (t *timeline) note(event watch.EventType, pod *v1.Pod) error {
	i, err := strconv.Atoi(strings.TrimPrefix(pod.Name, "p-"))
	if err != nil || i < 0 || i >= len(t.gone) {
		return nil // not one of ours
	}
	switch {
	case event == watch.Deleted:
		t.gone[i].now()
	case pod.Status.Phase == v1.PodRunning:
		t.running[i].now()
	case pod.Status.Phase == v1.PodFailed && pod.DeletionTimestamp == nil:
		return fmt.Errorf("pod %s failed: %s %s", pod.Name, pod.Status.Reason, pod.Status.Message)
	}
	return nil
}

// await waits until all of the moments have come.
func (t *timeline) await(ctx context.Context, moments []*moment) error {
	for _, m := range moments {
		select {
		case <-m.seen:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// String says how far the pods have come.
func (t *timeline) String() string {
	count := func(moments []*moment) (n int) {
		for _, m := range moments {
			if m.happened() {
				n++
			}
		}
		return n
	}
	return fmt.Sprintf("of %d pods, %d ran and %d are gone", len(t.gone), count(t.running), count(t.gone))
}
