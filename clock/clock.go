// Package clock is what a node and its simulated containers tell time by: the
// machine's clock, or a virtual one that jumps from one timer to the next.
//
// It stands at the edge: the core (lifecycle) reads no clock and is told the time,
// so that virtual time is a matter of who tells it. A virtual clock jumps only
// when nothing is under way any more. To know, it counts: whoever does something
// that is to be over before time may go on calls Begin before and End after it.
//
//	a pod changed ──▶ Begin ──▶ worker decides, acts, writes ──▶ End
//	                                                              │ nothing left
//	                 timer fires ◀── time jumps to it ◀───────────┘
package clock

import (
	"context"
	"time"

	utilclock "k8s.io/utils/clock"
)

// Clock tells the time, and when it may jump. Sleep is called by those who have
// begun something; it lets time pass meanwhile. What AfterFunc calls must not block.
type Clock interface {
	utilclock.WithTickerAndDelayedExecution
	// Begin: something is under way. Each Begin is followed by one End.
	Begin()
	// End: it is over.
	End()
}

// Pause lets time pass while the caller, who has begun something, waits for
// something that is not a timer's Sleep.
func Pause(c Clock, wait func()) {
	c.End()
	defer c.Begin()
	wait()
}

// Real is the machine's clock.
type Real struct{ utilclock.RealClock }

// Begin does nothing: the machine's clock asks nobody before it goes on.
func (Real) Begin() {}

// End does nothing.
func (Real) End() {}

// Wait waits until d has passed; false if ctx ended first. The caller has begun
// something.
func Wait(ctx context.Context, c Clock, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := c.NewTimer(d)
	defer t.Stop()
	passed := false
	Pause(c, func() {
		select {
		case <-t.C():
			passed = true
		case <-ctx.Done():
		}
	})
	return passed
}

// WithTimeout is context.WithTimeout by the clock. The context's error is
// context.Canceled, whoever ended it.
func WithTimeout(ctx context.Context, c Clock, d time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	t := c.AfterFunc(d, cancel)
	return ctx, func() {
		t.Stop()
		cancel()
	}
}
