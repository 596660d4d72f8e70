package kubelet

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing/synctest"
	"time"

	utilclock "k8s.io/utils/clock"

	"github.com/podling/podling/clock"
)

// stage is where a simulation is played: one goroutine goes on at a time, and
// which that is the seed decides. Whoever is about to do something that others
// can see (call the runtime, write to the API, take news in) parks first, and so
// does whoever waits for time to pass. Once all have parked (synctest.Wait), the
// director lets one of them go on.
//
//	worker ── park "p1: looks" ──┐
//	pass   ── park "p2: call" ───┼─▶ director: one of them, by the seed
//	timers ── due at … ──────────┘
//
// So the same seed is the same order of everything, and the same log.
type stage struct {
	*rand.Rand

	mu     sync.Mutex
	parked []*party
	now    time.Time
	timers []*timer
	made   int      // timers so far
	said   []string // in this step; put in order before they go into the log
	log    []string

	problem string // what does not hold
}

// party is somebody who waits for the director.
type party struct {
	what string
	of   *nodeLife // whose it is; nil: the world's
	on   chan struct{}
	err  error // that it goes on with
}

// errCrashed is what all calls of a node process end with that has crashed.
var errCrashed = errors.New("the node process has ended")

func newStage(seed uint64) *stage {
	return &stage{Rand: rand.New(rand.NewPCG(seed, 3)), now: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)}
}

// say notes something that happens in this step.
func (s *stage) say(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.said = append(s.said, fmt.Sprintf(format, args...))
}

// wrong notes what does not hold; the director ends the simulation then.
func (s *stage) wrong(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.problem == "" {
		s.problem = fmt.Sprintf(format, args...)
	}
}

// step ends one step and begins the next, of which head is the first line.
func (s *stage) step(head string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	slices.Sort(s.said)
	for _, line := range s.said {
		s.log = append(s.log, "      "+line)
	}
	s.said = nil
	if head != "" {
		s.log = append(s.log, fmt.Sprintf("%s %s", s.now.Format("15:04:05.000000"), head))
	}
}

// park waits for the director. The error is what the caller is to end with.
func (s *stage) park(of *nodeLife, format string, args ...any) error {
	p := &party{what: fmt.Sprintf(format, args...), of: of, on: make(chan struct{})}
	s.mu.Lock()
	if of != nil && of.crashed {
		s.mu.Unlock()
		return errCrashed
	}
	s.parked = append(s.parked, p)
	s.mu.Unlock()
	<-p.on
	return p.err
}

// parties are those who wait, in the order of what they wait to do.
func (s *stage) parties() []*party {
	s.mu.Lock()
	defer s.mu.Unlock()
	slices.SortFunc(s.parked, func(a, b *party) int { return strings.Compare(a.what, b.what) })
	for i := 1; i < len(s.parked); i++ {
		if s.parked[i].what == s.parked[i-1].what {
			s.problem = "two wait to do the same, and nobody can tell them apart: " + s.parked[i].what
		}
	}
	return slices.Clone(s.parked)
}

// release lets a party go on, until all have parked again.
func (s *stage) release(p *party, err error) {
	s.mu.Lock()
	s.parked = slices.DeleteFunc(s.parked, func(other *party) bool { return other == p })
	s.mu.Unlock()
	p.err = err
	close(p.on)
	synctest.Wait()
}

// crash ends a node process where it stands: what it has not begun is not done,
// and of what it has begun it never hears.
func (s *stage) crash(life *nodeLife) {
	s.mu.Lock()
	life.crashed = true
	var dead []*party
	s.parked = slices.DeleteFunc(s.parked, func(p *party) bool {
		if p.of == life {
			dead = append(dead, p)
		}
		return p.of == life
	})
	var sleepers []*timer
	for _, t := range s.timers {
		if t.of == life {
			sleepers = append(sleepers, t)
		}
	}
	s.timers = slices.DeleteFunc(s.timers, func(t *timer) bool { return t.of == life })
	s.mu.Unlock()
	life.cancel()
	life.faults.Clear()
	for _, p := range dead {
		p.err = errCrashed
		close(p.on)
	}
	for _, t := range sleepers {
		t.fire()
	}
	synctest.Wait()
}

// next is the timer that is due next; nil without one.
func (s *stage) next() *timer {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.timers) == 0 {
		return nil
	}
	return slices.MinFunc(s.timers, func(a, b *timer) int {
		if c := a.at.Compare(b.at); c != 0 {
			return c
		}
		return a.order - b.order
	})
}

// pass lets time pass until the timer is due, and what it wakes go on.
func (s *stage) pass(t *timer) {
	s.mu.Lock()
	if t.at.After(s.now) {
		s.now = t.at
	}
	s.timers = slices.DeleteFunc(s.timers, func(other *timer) bool { return other == t })
	if t.period > 0 {
		t.at = t.at.Add(t.period)
		s.timers = append(s.timers, t)
	}
	s.mu.Unlock()
	go t.fire()
	synctest.Wait()
}

// stageClock is the stage's time, as one node process or the world sees it.
type stageClock struct {
	*stage
	of *nodeLife
}

var _ clock.Clock = stageClock{}

// timer is one of the stage's.
type timer struct {
	stage  *stage
	of     *nodeLife
	at     time.Time
	order  int
	period time.Duration
	c      chan time.Time
	call   func()
}

func (t *timer) fire() {
	if t.call != nil {
		t.call()
		return
	}
	select {
	case t.c <- t.at:
	default:
	}
}

func (c stageClock) set(t *timer, d time.Duration) *timer {
	c.mu.Lock()
	t.stage, t.of, t.at, t.order = c.stage, c.of, c.now.Add(d), c.made
	c.made++
	dead := c.of != nil && c.of.crashed
	if !dead {
		c.timers = append(c.timers, t)
	}
	c.mu.Unlock()
	if dead { // nobody waits any more
		go t.fire()
	}
	return t
}

func (c stageClock) Begin() {}
func (c stageClock) End()   {}

func (c stageClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c stageClock) Since(t time.Time) time.Duration        { return c.Now().Sub(t) }
func (c stageClock) Sleep(d time.Duration)                  { <-c.After(d) }
func (c stageClock) After(d time.Duration) <-chan time.Time { return c.NewTimer(d).C() }
func (c stageClock) Tick(d time.Duration) <-chan time.Time  { return c.NewTicker(d).C() }
func (c stageClock) NewTimer(d time.Duration) utilclock.Timer {
	return c.set(&timer{c: make(chan time.Time, 1)}, d)
}

func (c stageClock) NewTicker(d time.Duration) utilclock.Ticker {
	return ticker{c.set(&timer{c: make(chan time.Time, 1), period: d}, d)}
}

func (c stageClock) AfterFunc(d time.Duration, f func()) utilclock.Timer {
	return c.set(&timer{call: f}, d)
}

func (t *timer) C() <-chan time.Time { return t.c }

func (t *timer) Stop() bool {
	t.stage.mu.Lock()
	defer t.stage.mu.Unlock()
	n := len(t.stage.timers)
	t.stage.timers = slices.DeleteFunc(t.stage.timers, func(other *timer) bool { return other == t })
	return len(t.stage.timers) < n
}

func (t *timer) Reset(d time.Duration) bool {
	was := t.Stop()
	stageClock{t.stage, t.of}.set(t, d)
	return was
}

type ticker struct{ *timer }

func (t ticker) Stop() { t.timer.Stop() }

// whoKey marks the context of calls that are not a worker's own.
type whoKey struct{}

func whose(ctx context.Context) string {
	who, _ := ctx.Value(whoKey{}).(string)
	return who
}
