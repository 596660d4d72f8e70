package clock

import (
	"container/heap"
	"time"
)

// timer is one of a virtual clock's.
type timer struct {
	clock  *Virtual
	at     time.Time
	order  uint64
	index  int // in the heap, if pending
	period time.Duration

	c       chan time.Time
	call    func()
	pending bool // guarded by the clock's mu
}

// C is where the time is sent to; nil for a timer that calls.
func (t *timer) C() <-chan time.Time { return t.c }

// Stop keeps the timer from firing, and says whether it would have.
func (t *timer) Stop() bool {
	t.clock.mu.Lock()
	defer t.clock.mu.Unlock()
	if !t.pending {
		return false
	}
	heap.Remove(&t.clock.timers, t.index)
	t.clock.change()
	return true
}

// Reset sets the timer anew, and says whether it was set.
func (t *timer) Reset(d time.Duration) bool {
	was := t.Stop()
	t.clock.start(t, d)
	return was
}

func (t *timer) fire(now time.Time) {
	if t.call != nil {
		t.call()
		return
	}
	select {
	case t.c <- now:
	default:
	}
}

type ticker struct{ *timer }

// Stop ends the ticks.
func (t ticker) Stop() { t.timer.Stop() }

// timers are a heap: the one that is due first comes first.
type timers []*timer

func (h timers) Len() int { return len(h) }
func (h timers) Less(i, j int) bool {
	if h[i].at.Equal(h[j].at) {
		return h[i].order < h[j].order
	}
	return h[i].at.Before(h[j].at)
}
func (h timers) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h *timers) Push(x any) {
	t := x.(*timer)
	t.index, t.pending = len(*h), true
	*h = append(*h, t)
}

func (h *timers) Pop() any {
	last := len(*h) - 1
	t := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	t.pending = false
	return t
}
