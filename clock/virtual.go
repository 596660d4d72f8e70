package clock

import (
	"container/heap"
	"context"
	"sync"
	"time"

	utilclock "k8s.io/utils/clock"
)

// Settle is how long, in real time, nothing must be under way before a virtual
// clock jumps. News that are on their way from one goroutine to another, or from
// the API server, arrive meanwhile.
const Settle = 5 * time.Millisecond

// Virtual is a clock that stands still while something is under way, and jumps
// when nothing is: by itself while it runs (Run), or as far as Advance says.
type Virtual struct {
	mu      sync.Mutex
	now     time.Time
	timers  timers
	made    uint64        // timers so far: of two that are due at once the older one fires first
	busy    int           // begun and not ended
	changes uint64        // of busy, and of timers
	moved   chan struct{} // closed and made anew whenever any of these changes
	auto    bool          // jumps by itself

	jump sync.Mutex // held by whoever moves the time
}

var _ Clock = (*Virtual)(nil)

// NewVirtual gives a clock that says start and does not move by itself yet.
func NewVirtual(start time.Time) *Virtual {
	return &Virtual{now: start, moved: make(chan struct{})}
}

// Now is the virtual time.
func (v *Virtual) Now() time.Time {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.now
}

// Since is how long ago t was.
func (v *Virtual) Since(t time.Time) time.Duration { return v.Now().Sub(t) }

// Begin is Clock's.
func (v *Virtual) Begin() { v.count(1) }

// End is Clock's.
func (v *Virtual) End() { v.count(-1) }

func (v *Virtual) count(by int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.busy += by
	if v.busy < 0 {
		panic("clock: more has ended than has begun")
	}
	v.change()
}

// change tells those who wait. Called with v.mu held.
func (v *Virtual) change() {
	v.changes++
	close(v.moved)
	v.moved = make(chan struct{})
}

// State is what a virtual clock shows of itself.
type State struct {
	Now     time.Time `json:"now"`
	Running bool      `json:"running"` // it jumps by itself when nothing is under way
	Busy    int       `json:"busy"`    // what is under way
	Timers  int       `json:"timers"`
	Next    time.Time `json:"next,omitzero"` // of the timers
}

// State gives the clock's.
func (v *Virtual) State() State {
	v.mu.Lock()
	defer v.mu.Unlock()
	s := State{Now: v.now, Running: v.auto, Busy: v.busy, Timers: len(v.timers)}
	if len(v.timers) > 0 {
		s.Next = v.timers[0].at
	}
	return s
}

// Resume lets the clock jump by itself, Pause keeps it from that.
func (v *Virtual) Resume() { v.setAuto(true) }

// Pause is Resume's opposite. A jump that has begun is finished.
func (v *Virtual) Pause() { v.setAuto(false) }

func (v *Virtual) setAuto(auto bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.auto = auto
	v.change()
}

// Run jumps from timer to timer for as long as the clock is not paused, until ctx ends.
func (v *Virtual) Run(ctx context.Context) {
	for ctx.Err() == nil {
		v.mu.Lock()
		ready, moved := v.auto && len(v.timers) > 0, v.moved
		v.mu.Unlock()
		if !ready {
			select {
			case <-moved:
			case <-ctx.Done():
			}
			continue
		}
		v.jump.Lock()
		if v.quiet(ctx) == nil {
			v.next(time.Time{}, true)
		}
		v.jump.Unlock()
	}
}

// Advance moves the clock forward by d, through every timer on the way, one after
// the other, and returns when what the last of them brought about is over. The
// error is ctx's, should something not be over before it ends.
func (v *Virtual) Advance(ctx context.Context, d time.Duration) error {
	v.jump.Lock()
	defer v.jump.Unlock()
	if err := v.quiet(ctx); err != nil {
		return err
	}
	until := v.Now().Add(d)
	for v.next(until, false) {
		if err := v.quiet(ctx); err != nil {
			return err
		}
	}
	return nil
}

// quiet waits until nothing has been under way for a while.
func (v *Virtual) quiet(ctx context.Context) error {
	t := time.NewTimer(Settle)
	defer t.Stop()
	for {
		v.mu.Lock()
		busy, was, moved := v.busy > 0, v.changes, v.moved
		v.mu.Unlock()
		if busy {
			select {
			case <-moved:
			case <-ctx.Done():
				return ctx.Err()
			}
			continue
		}
		t.Reset(Settle)
		select {
		case <-t.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		v.mu.Lock()
		same := v.changes == was && v.busy == 0
		v.mu.Unlock()
		if same {
			return nil
		}
	}
}

// next moves the time to the next timer and fires all that are due then; false if
// there is none until then (zero: ever), and until it is. auto: only if the clock
// still is to jump by itself.
func (v *Virtual) next(until time.Time, auto bool) bool {
	v.mu.Lock()
	if auto && !v.auto {
		v.mu.Unlock()
		return false
	}
	if len(v.timers) == 0 || !until.IsZero() && v.timers[0].at.After(until) {
		if !until.IsZero() {
			v.now = until
		}
		v.change()
		v.mu.Unlock()
		return false
	}
	if at := v.timers[0].at; at.After(v.now) {
		v.now = at
	}
	var due []*timer
	for len(v.timers) > 0 && !v.timers[0].at.After(v.now) {
		t := heap.Pop(&v.timers).(*timer)
		due = append(due, t)
		if t.period > 0 {
			v.set(t, t.at.Add(t.period))
		}
	}
	v.busy++ // for those that are about to be told
	v.change()
	now := v.now
	v.mu.Unlock()
	for _, t := range due {
		t.fire(now)
	}
	v.End()
	return true
}

// Sleep lets d pass. The caller has begun something.
func (v *Virtual) Sleep(d time.Duration) {
	if d <= 0 {
		return
	}
	woken := make(chan struct{})
	v.AfterFunc(d, func() {
		v.Begin() // on behalf of the sleeper
		close(woken)
	})
	v.End()
	<-woken
}

// After is NewTimer's channel.
func (v *Virtual) After(d time.Duration) <-chan time.Time { return v.NewTimer(d).C() }

// Tick is NewTicker's channel.
func (v *Virtual) Tick(d time.Duration) <-chan time.Time { return v.NewTicker(d).C() }

// NewTimer gives a timer whose channel gets the time once d has passed.
func (v *Virtual) NewTimer(d time.Duration) utilclock.Timer {
	t := &timer{clock: v, c: make(chan time.Time, 1)}
	v.start(t, d)
	return t
}

// NewTicker gives a timer whose channel gets the time each d; a tick that nobody
// has taken is enough.
func (v *Virtual) NewTicker(d time.Duration) utilclock.Ticker {
	t := &timer{clock: v, c: make(chan time.Time, 1), period: d}
	v.start(t, d)
	return ticker{t}
}

// AfterFunc calls f once d has passed. f must not block.
func (v *Virtual) AfterFunc(d time.Duration, f func()) utilclock.Timer {
	t := &timer{clock: v, call: f}
	v.start(t, d)
	return t
}

func (v *Virtual) start(t *timer, d time.Duration) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.set(t, v.now.Add(d))
	v.change()
}

// set puts the timer into the heap. Called with v.mu held.
func (v *Virtual) set(t *timer, at time.Time) {
	v.made++
	t.at, t.order = at, v.made
	heap.Push(&v.timers, t)
}
