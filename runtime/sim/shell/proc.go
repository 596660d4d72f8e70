package shell

import (
	"runtime"
	"slices"
	"sync"
	"time"

	utilclock "k8s.io/utils/clock"
)

const (
	sigInt  = 2
	sigQuit = 3
	sigKill = 9
	sigPipe = 13
	sigTerm = 15
)

// What becomes of a signal.
const (
	byDefault = iota
	ignored
	handled
)

// Proc is one process.
type Proc struct {
	m       *Machine
	pid     int
	parent  *Proc
	command []string
	bell    Bell
	exit    func(code int) // is told when it is over
	waits   func()         // is told whenever it waits; nil: nobody is

	mu      sync.Mutex
	signals map[int]int     // what becomes of them, where not the default
	pending []int           // handled ones that have come
	deadly  int             // exit code that it is to end with; 0 if it may live
	timer   utilclock.Timer // of one that only waits for a time to pass
	own     bool            // a program of the image's own, which only waits to be stopped
	inner   *Proc           // a subshell that runs in its goroutine
	over    bool
	code    int

	steps, batches int
}

// quit unwinds a process's goroutine: its end, or a program that takes its place.
type quit struct {
	code int
	exec *call
}

// PID is the process's number.
func (p *Proc) PID() int { return p.pid }

// die ends the process with an exit code, as soon as it looks.
func (p *Proc) die(code int) {
	p.mu.Lock()
	if p.over || p.deadly != 0 {
		p.mu.Unlock()
		return
	}
	p.deadly = code
	timer, own, inner := p.timer, p.own, p.inner
	p.mu.Unlock()
	if timer != nil {
		timer.Stop()
	}
	if timer != nil || own {
		p.finish(code)
		return
	}
	if inner != nil {
		inner.die(code)
	}
	p.bell.Ring(p.m.Clock)
}

// signal hands the process a signal, from outside its container or from within.
// The first process of a container gets no signal that it does not handle, as the
// kernel has it, but for SIGKILL from outside.
func (p *Proc) signal(n int, outside bool) {
	p.mu.Lock()
	what, own := p.signals[n], p.own
	if n == sigKill {
		what = byDefault
	}
	if what == handled {
		p.pending = append(p.pending, n)
	}
	p.mu.Unlock()
	switch {
	case own && what == byDefault && (n == sigTerm || n == sigInt || n == sigQuit):
		p.finish(0)
	case what == handled:
		p.bell.Ring(p.m.Clock)
	case what == ignored, slices.Contains([]int{0, 17, 18, 19, 20, 21, 22, 23, 28}, n): // child, continue, stop, urgent, window
	case p.pid == 1 && !(outside && n == sigKill):
	default:
		p.die(128 + n)
	}
}

// set says what becomes of a signal.
func (p *Proc) set(signal, what int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.signals == nil {
		p.signals = map[int]int{}
	}
	p.signals[signal] = what
}

// reset is what a program finds that takes the shell's place, or a subshell: what
// was ignored still is, what was handled is not.
func (p *Proc) reset() map[int]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out map[int]int
	for n, what := range p.signals {
		if what == ignored {
			if out == nil {
				out = map[int]int{}
			}
			out[n] = ignored
		}
	}
	return out
}

// next is the signal that has come first.
func (p *Proc) next() (int, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.pending) == 0 {
		return 0, false
	}
	n := p.pending[0]
	p.pending = p.pending[1:]
	return n, true
}

func (p *Proc) hasPending() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.pending) > 0
}

// alive unwinds if the process is to end.
func (p *Proc) alive() {
	p.mu.Lock()
	code := p.deadly
	p.mu.Unlock()
	if code != 0 {
		panic(quit{code: code})
	}
}

// wait returns when ready says so. It is asked whenever the process's bell rings.
func (p *Proc) wait(ready func() bool) {
	for {
		p.alive()
		if ready() {
			return
		}
		p.steps, p.batches = 0, 0
		p.rests()
		p.bell.Wait(p.m.Clock)
	}
}

// rests tells that the process has come to where it waits.
func (p *Proc) rests() {
	if p.waits != nil {
		p.waits()
	}
}

// sleep lets d pass.
func (p *Proc) sleep(d time.Duration) {
	if d <= 0 {
		return
	}
	var mu sync.Mutex
	over := false
	t := p.m.Clock.AfterFunc(d, func() {
		mu.Lock()
		over = true
		mu.Unlock()
		p.bell.Ring(p.m.Clock)
	})
	defer t.Stop()
	p.wait(func() bool {
		mu.Lock()
		defer mu.Unlock()
		return over
	})
}

// A script that never waits is made to: every so many steps take a millisecond,
// and more if they go on and on.
const (
	batch       = 4096
	freeBatches = 64
	longest     = 100 * time.Millisecond
)

// step is done before each command.
func (p *Proc) step() {
	p.alive()
	p.steps++
	if p.steps < batch {
		return
	}
	batches := p.batches + 1
	pause := time.Millisecond
	if batches > freeBatches {
		pause = min(longest, pause<<min(batches-freeBatches, 10))
	}
	runtime.Gosched()
	p.sleep(pause)
	p.steps, p.batches = 0, batches
}

// finish enters the process's end.
func (p *Proc) finish(code int) {
	p.mu.Lock()
	if p.over {
		p.mu.Unlock()
		return
	}
	p.over, p.code = true, code
	p.mu.Unlock()
	p.m.remove(p)
	if p.parent != nil {
		p.parent.bell.Ring(p.m.Clock)
	}
	if p.exit != nil {
		p.exit(code)
	}
}

// ended says whether the process is over, and its exit code.
func (p *Proc) ended() (int, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.code, p.over
}

// wakeAfter ends a process that is nothing but a timer.
func (p *Proc) wakeAfter(d time.Duration) {
	t := p.m.Clock.AfterFunc(d, func() { p.finish(0) })
	p.mu.Lock()
	p.timer = t
	code := p.deadly
	p.mu.Unlock()
	if code != 0 { // killed meanwhile
		t.Stop()
		p.finish(code)
	}
}
