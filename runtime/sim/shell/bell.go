package shell

import (
	"sync"

	"github.com/podling/podling/clock"
)

// Bell wakes one goroutine that waits. Time may pass meanwhile: whoever rings
// hands over what has begun, so that no virtual clock jumps in between.
type Bell struct {
	mu      sync.Mutex
	rung    bool
	waiting bool
	wake    chan struct{}
}

// Ring wakes the one that waits, or the next that will.
func (b *Bell) Ring(clk clock.Clock) {
	clk.Begin() // on behalf of the one that is woken
	b.mu.Lock()
	woken := b.waiting
	b.waiting = false
	b.rung = !woken
	b.mu.Unlock()
	if woken {
		b.wake <- struct{}{}
		return
	}
	clk.End()
}

// Wait returns when the bell rings, or has rung since the last Wait. The caller
// has begun something.
func (b *Bell) Wait(clk clock.Clock) {
	b.mu.Lock()
	if b.rung {
		b.rung = false
		b.mu.Unlock()
		return
	}
	if b.wake == nil {
		b.wake = make(chan struct{}, 1)
	}
	b.waiting = true
	b.mu.Unlock()
	clk.End()
	<-b.wake
}
