package load

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
)

func pod(name string, phase v1.PodPhase) *v1.Pod {
	return &v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name}, Status: v1.PodStatus{Phase: phase}}
}

// TestTimeline: a pod's first Running and its end are noted, once, and nothing else.
func TestTimeline(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	line, w := newTimeline(2), watch.NewFake()
	followed := make(chan error, 1)
	go func() { followed <- line.follow(ctx, w) }()
	w.Add(pod("p-0", v1.PodPending))
	w.Add(pod("other", v1.PodRunning))
	w.Add(pod("p-1", v1.PodPending))
	w.Modify(pod("p-1", v1.PodRunning))
	if err := line.await(ctx, line.running[1:]); err != nil {
		t.Fatal(err)
	}
	first := line.running[1].at
	w.Modify(pod("p-1", v1.PodRunning))
	w.Delete(pod("p-1", v1.PodSucceeded))
	if err := line.await(ctx, line.gone[1:]); err != nil {
		t.Fatal(err)
	}
	if !line.running[1].at.Equal(first) {
		t.Error("the second Running counted")
	}
	if got, want := line.String(), "of 2 pods, 1 ran and 1 are gone"; got != want {
		t.Errorf("%q; want %q", got, want)
	}
	cancel()
	if err := <-followed; err != nil {
		t.Error(err)
	}
	if err := line.await(ctx, line.gone); !errors.Is(err, context.Canceled) {
		t.Errorf("await: %v; want that it was cancelled", err)
	}
}

// TestTimelineEnds: what spoils a measurement ends it.
func TestTimelineEnds(t *testing.T) {
	for name, c := range map[string]struct {
		do   func(*watch.FakeWatcher)
		want string
	}{
		"watch ends":  {func(w *watch.FakeWatcher) { w.Stop() }, "ended the watch"},
		"watch error": {func(w *watch.FakeWatcher) { w.Error(&metav1.Status{Message: "too old"}) }, "too old"},
		"pod fails":   {func(w *watch.FakeWatcher) { w.Modify(pod("p-0", v1.PodFailed)) }, "p-0 failed"},
	} {
		t.Run(name, func(t *testing.T) {
			w, followed := watch.NewFake(), make(chan error, 1)
			go func() { followed <- newTimeline(1).follow(t.Context(), w) }()
			c.do(w)
			if err := <-followed; err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("follow: %v; want %q in it", err, c.want)
			}
		})
	}
}

func TestSince(t *testing.T) {
	begin := time.Now()
	took := since([]time.Time{begin, begin.Add(time.Second)}, []*moment{{at: begin.Add(3 * time.Second)}, {at: begin.Add(2 * time.Second)}})
	if took[0] != time.Second || took[1] != 3*time.Second {
		t.Errorf("since = %v; want 1s and 3s", took)
	}
}
