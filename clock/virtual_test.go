package clock

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"
)

var start = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

// TestAdvance goes through all timers on the way, in their order, and leaves the rest.
func TestAdvance(t *testing.T) {
	v := NewVirtual(start)
	var fired []time.Duration
	note := func() { fired = append(fired, v.Since(start)) }
	v.AfterFunc(3*time.Second, note)
	v.AfterFunc(time.Second, func() {
		note()
		v.AfterFunc(time.Second, note) // which is still on the way
	})
	v.AfterFunc(time.Hour, note)
	stopped := v.AfterFunc(2*time.Second, note)
	if !stopped.Stop() || stopped.Stop() {
		t.Error("a timer is stopped once")
	}
	if err := v.Advance(t.Context(), 10*time.Second); err != nil {
		t.Fatal(err)
	}
	if want := []time.Duration{time.Second, 2 * time.Second, 3 * time.Second}; !slices.Equal(fired, want) {
		t.Errorf("fired after %v, want %v", fired, want)
	}
	if s := v.State(); s.Now != start.Add(10*time.Second) || s.Timers != 1 || s.Next != start.Add(time.Hour) || s.Running {
		t.Errorf("state %+v", s)
	}
}

// TestBusy does not move while something is under way, and sleepers wake in order.
func TestBusy(t *testing.T) {
	v := NewVirtual(start)
	v.Begin()
	ctx, cancel := context.WithTimeout(t.Context(), 10*Settle)
	defer cancel()
	if err := v.Advance(ctx, time.Hour); !errors.Is(err, context.DeadlineExceeded) || !v.Now().Equal(start) {
		t.Errorf("with something under way: %v, and it is %v", err, v.Now())
	}
	var mu sync.Mutex
	var woken []time.Duration
	for _, d := range []time.Duration{3, 1, 2} {
		v.Begin()
		go func() {
			defer v.End()
			for range 3 {
				v.Sleep(d * time.Minute)
			}
			mu.Lock()
			defer mu.Unlock()
			woken = append(woken, v.Since(start))
		}()
	}
	v.End()
	if err := v.Advance(t.Context(), time.Hour); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if want := []time.Duration{3 * time.Minute, 6 * time.Minute, 9 * time.Minute}; !slices.Equal(woken, want) {
		t.Errorf("woken after %v, want %v", woken, want)
	}
}

// TestRun jumps by itself as long as it is not paused.
func TestRun(t *testing.T) {
	v := NewVirtual(start)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		v.Run(ctx)
		close(ended)
	}()
	defer func() {
		cancel()
		<-ended
	}()
	v.Resume()
	<-v.After(24 * time.Hour)
	if got := v.Since(start); got != 24*time.Hour {
		t.Errorf("a day is %v", got)
	}
	v.Pause()
	tick := v.NewTicker(time.Minute)
	defer tick.Stop()
	select {
	case <-tick.C():
		t.Error("a clock that is paused has jumped")
	case <-time.After(10 * Settle):
	}
	if err := v.Advance(t.Context(), time.Minute); err != nil {
		t.Fatal(err)
	}
	if at := <-tick.C(); !at.Equal(start.Add(24*time.Hour + time.Minute)) {
		t.Errorf("the tick came at %v", at)
	}
	v.Resume()
	<-tick.C()
	<-tick.C()
}

// TestReset sets a timer that has fired, and one that has not.
func TestReset(t *testing.T) {
	v := NewVirtual(start)
	timer := v.NewTimer(time.Second)
	if !timer.Reset(time.Minute) {
		t.Error("it was set")
	}
	if err := v.Advance(t.Context(), time.Second); err != nil {
		t.Fatal(err)
	}
	select {
	case <-timer.C():
		t.Error("it fired at its old time")
	default:
	}
	if err := v.Advance(t.Context(), time.Minute); err != nil {
		t.Fatal(err)
	}
	if at := <-timer.C(); !at.Equal(start.Add(time.Minute)) {
		t.Errorf("it fired at %v", at)
	}
	if timer.Reset(time.Second) {
		t.Error("it was not set any more")
	}
}
