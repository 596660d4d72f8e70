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

import utilclock "k8s.io/utils/clock"

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

// Real is the machine's clock, which asks nobody before it goes on.
type Real struct{ utilclock.RealClock }

// Begin does nothing.
func (Real) Begin() {}

// End does nothing.
func (Real) End() {}
