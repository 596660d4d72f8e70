package sim

import (
	"context"
	"sync/atomic"
	"time"

	utilclock "k8s.io/utils/clock"

	"github.com/podling/podling/clock"
	"github.com/podling/podling/runtime/sim/shell"
)

// waiter is a call that waits: for its bell, for a time to pass, for its context.
type waiter struct {
	clk    clock.Clock
	bell   shell.Bell
	late   atomic.Bool
	timer  utilclock.Timer
	cancel func() bool
}

// waiter gives one that is rung at latest after limit (0: never).
func (r *Runtime) waiter(ctx context.Context, limit time.Duration) *waiter {
	w := &waiter{clk: r.clk}
	if limit > 0 {
		w.timer = r.clk.AfterFunc(limit, func() {
			w.late.Store(true)
			w.bell.Ring(w.clk)
		})
	}
	w.cancel = context.AfterFunc(ctx, func() { w.bell.Ring(w.clk) })
	return w
}

func (w *waiter) over() bool { return w.late.Load() }
func (w *waiter) wait()      { w.bell.Wait(w.clk) }
func (w *waiter) ring()      { w.bell.Ring(w.clk) }

func (w *waiter) stop() {
	if w.timer != nil {
		w.timer.Stop()
	}
	w.cancel()
}
