package shutdown

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/utils/clock"

	"github.com/podling/podling/lifecycle"
)

// house is a node whose pods take so many seconds to go, each by its name; those that are missing
// never do.
type house struct {
	began time.Time
	takes map[string]int

	mu   sync.Mutex
	pods []*v1.Pod
	told []string
}

func (h *house) note(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.told = append(h.told, fmt.Sprintf("%v ", time.Since(h.began).Round(time.Second))+fmt.Sprintf(format, args...))
}

func (h *house) node() Node {
	return Node{
		Pods: func() []*v1.Pod { return h.pods },
		Evict: func(pod *v1.Pod, e lifecycle.Eviction) <-chan struct{} {
			h.note("%s %d", pod.Name, *e.Grace)
			gone := make(chan struct{})
			if after, ever := h.takes[pod.Name]; ever {
				go func() {
					time.Sleep(time.Duration(after) * time.Second)
					close(gone)
				}()
			}
			if e.Reason != terminated || e.Message != message || e.Condition.Type != v1.DisruptionTarget || e.Condition.Reason != "TerminationByKubelet" || e.Condition.ObservedGeneration != 7 {
				h.note("says %+v", e)
			}
			return gone
		},
		Event:  func(reason, message string) { h.note("%s %s", reason, message) },
		Ending: func(is bool) { h.note("ending %v", is) },
		Clock:  clock.RealClock{},
	}
}

func (h *house) add(name string, priority int32, grace int64) {
	pod := &v1.Pod{}
	pod.Name, pod.Generation = name, 7
	pod.Spec.Priority, pod.Spec.TerminationGracePeriodSeconds = &priority, &grace
	h.pods = append(h.pods, pod)
}

func newHouse() *house {
	h := &house{began: time.Now(), takes: map[string]int{"web": 2, "api": 5, "dns": 1}}
	h.add("dns", 2000000000, 30)
	h.add("web", 0, 30)
	h.add("api", 0, 3)
	return h
}

// Critical pods end when the others are gone, or have had their time.
func TestShutdown(t *testing.T) {
	for name, test := range map[string]struct {
		periods Periods
		stuck   string
		want    []string
	}{
		"in time": {OnDemand, "", []string{"0s web 20", "0s api 3", "5s dns 10", "6s done"}},
		"late":    {OnDemand, "web", []string{"0s web 20", "0s api 3", "20s dns 10", "21s done"}},
		"not configured": {nil, "dns", []string{"0s web 20", "0s api 3", "5s dns 10",
			"15s done"}},
		"one for all": {Periods{{Priority: 7, ShutdownGracePeriodSeconds: 4}}, "", []string{"0s dns 4", "0s web 4", "0s api 3", "4s done"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse()
				delete(h.takes, test.stuck)
				m, err := New(test.periods, h.node())
				if err != nil {
					t.Fatal(err)
				}
				if no := m.Admit(&v1.Pod{}); no != nil {
					t.Errorf("before the shutdown: %v", no)
				}
				m.Shutdown(t.Context())
				h.note("done")
				defer time.Sleep(time.Minute) // those that were not waited for
				if no := m.Admit(&v1.Pod{}); no == nil || no.Reason != "NodeShutdown" || no.Message != "Pod was rejected as the node is shutting down." {
					t.Errorf("a pod that comes late: %v", no)
				}
				m.Cancel()
				if no := m.Admit(&v1.Pod{}); no != nil {
					t.Errorf("after the shutdown was called off: %v", no)
				}
				want := slices.Concat([]string{"0s ending true", "0s Shutdown Shutdown manager detected shutdown event"}, test.want)
				at := h.told[len(h.told)-1][:len(h.told[len(h.told)-1])-len("Shutdown Shutdown manager detected shutdown cancellation")]
				want = append(want, at+"ending false", at+"Shutdown Shutdown manager detected shutdown cancellation")
				if !slices.Equal(h.told, want) {
					t.Errorf("%q\nwant\n%q", h.told, want)
				}
			})
		})
	}
}

// Who asks twice waits for the first; who loses patience does not hold others up.
func TestShutdownGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse()
		delete(h.takes, "web")
		m, err := New(nil, h.node())
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		m.Shutdown(ctx)
		defer time.Sleep(time.Minute)
		if took := time.Since(h.began); took != 2*time.Second {
			t.Errorf("given up after %v", took)
		}
		if last := h.told[len(h.told)-1]; last != "0s api 3" {
			t.Errorf("after giving up: %q", last)
		}
	})
}

func TestNewRefuses(t *testing.T) {
	if _, err := New(Periods{{Priority: 1}, {Priority: 1, ShutdownGracePeriodSeconds: 1}}, Node{}); err == nil {
		t.Error("one priority twice is no error")
	}
}
