package shell

import (
	"bytes"
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// Start starts the container's first process. The error is what a runtime says of
// a program that it does not find. exit is told the exit code.
func (m *Machine) Start(args []string, exit func(code int)) (*Proc, error) {
	kind, err := m.Look(args[0])
	if err != nil {
		return nil, err
	}
	p := &Proc{m: m, command: args, exit: func(code int) {
		m.Kill() // with the first process, all end
		exit(code)
	}}
	m.add(p)
	if kind == Own {
		p.own = true
		return p, nil
	}
	if d, ok := sleeps(args); ok {
		p.wakeAfter(d)
		return p, nil
	}
	// The process comes up when its start has been told.
	m.Clock.AfterFunc(spawn, func() {
		p.mu.Lock()
		code := p.deadly
		p.mu.Unlock()
		if code != 0 {
			p.finish(code)
			return
		}
		m.Clock.Begin()
		go func() {
			defer m.Clock.End()
			p.run(func() int {
				return (&call{Proc: p, args: args, env: m.environ(), dir: m.Dir, fds: m.standard(m.Out)}).main()
			})
		}()
	})
	return p, nil
}

// StartOwn starts a program of the image's own as the first process: it does
// nothing until it is told to end.
func (m *Machine) StartOwn(args []string, exit func(code int)) *Proc {
	p := &Proc{m: m, command: args, own: true, exit: func(code int) {
		m.Kill()
		exit(code)
	}}
	m.add(p)
	return p
}

// spawn is how long a container's first process takes to come up.
const spawn = time.Millisecond

// run runs body to the process's end, or to where it only waits.
func (p *Proc) run(body func() int) {
	q := catch(body)
	for q.exec != nil {
		c := q.exec
		p.mu.Lock()
		p.command, p.pending = c.args, nil
		code := p.deadly
		p.mu.Unlock()
		kind, _ := p.m.Look(c.args[0])
		d, sleep := sleeps(c.args)
		if code == 0 && (kind == Own || sleep) {
			c.fds.close()
			p.idle(kind == Own, d)
			return
		}
		q = catch(c.whole)
	}
	p.finish(q.code)
}

// idle is a process that needs no goroutine any more.
func (p *Proc) idle(own bool, d time.Duration) {
	if !own {
		p.wakeAfter(d)
		return
	}
	p.mu.Lock()
	p.own = true
	code := p.deadly
	p.mu.Unlock()
	if code != 0 { // killed meanwhile
		p.finish(code)
	}
}

// catch runs f until it returns, or the process unwinds.
func catch(f func() int) (q quit) {
	defer func() {
		if r := recover(); r != nil {
			got, ok := r.(quit)
			if !ok {
				panic(r)
			}
			q = got
		}
	}()
	return quit{code: f()}
}

// spawn runs body as a child of p's, in a goroutine of its own.
func (p *Proc) spawn(command []string, body func(child *Proc) int) *Proc {
	child := p.child(command)
	p.m.Clock.Begin()
	go func() {
		defer p.m.Clock.End()
		child.run(func() int { return body(child) })
	}()
	return child
}

func (p *Proc) child(command []string) *Proc {
	child := &Proc{m: p.m, parent: p, command: command, signals: p.reset()}
	if !p.m.add(child) {
		panic(quit{code: 128 + sigKill})
	}
	return child
}

// within runs body as a child of p's to its end, in p's own goroutine.
func (p *Proc) within(command []string, body func(child *Proc) int) int {
	child := p.child(command)
	p.mu.Lock()
	p.inner = child
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		p.inner = nil
		p.mu.Unlock()
	}()
	q := catch(func() int { return body(child) })
	for q.exec != nil {
		q = catch(q.exec.whole)
	}
	child.finish(q.code)
	return q.code
}

// A Result is what came of a command.
type Result struct {
	Stdout, Stderr []byte
	Code           int
	TimedOut       bool
	// Own: it is a program of the image's own. It was not run.
	Own bool
}

// maxExec is how much of a command's output is kept (containerd's limit is 16 MiB).
const maxExec = 16 << 20

// Exec runs a command beside the first process, to its end, in the caller's
// goroutine, which has begun something. Time beyond limit ends it (0: there is none),
// and so does ctx.
func (m *Machine) Exec(ctx context.Context, args []string, limit time.Duration) (Result, error) {
	var mu sync.Mutex // what it starts in the background may still write
	var out, bad bytes.Buffer
	r, err := m.Stream(ctx, args, limit, nil, func(stream string, b []byte) {
		mu.Lock()
		defer mu.Unlock()
		to := &out
		if stream == "stderr" {
			to = &bad
		}
		if to.Len()+len(b) <= maxExec {
			to.Write(b)
		}
	})
	mu.Lock()
	defer mu.Unlock()
	r.Stdout, r.Stderr = bytes.Clone(out.Bytes()), bytes.Clone(bad.Bytes())
	return r, err
}

// Stream is Exec with its output handed out as it comes, and an input; nil is none.
func (m *Machine) Stream(ctx context.Context, args []string, limit time.Duration, in Input, to func(stream string, b []byte)) (Result, error) {
	kind, err := m.Look(args[0])
	if err != nil {
		return Result{}, err
	}
	if kind == Own {
		return Result{Own: true}, nil
	}
	p := &Proc{m: m, command: args}
	if !m.add(p) {
		return Result{Code: 128 + sigKill}, nil
	}
	c := &call{Proc: p, args: args, env: m.environ(), dir: m.Dir, fds: m.standard(to)}
	if in != nil {
		c.fds.set(0, open(inputStream{in}))
	}
	var late atomic.Bool
	if limit > 0 {
		t := m.Clock.AfterFunc(limit, func() {
			late.Store(true)
			p.die(128 + sigKill)
		})
		defer t.Stop()
	}
	defer context.AfterFunc(ctx, func() { p.die(128 + sigKill) })()
	q := catch(c.whole)
	for q.exec != nil {
		q = catch(q.exec.whole)
	}
	p.finish(q.code)
	return Result{Code: q.code, TimedOut: late.Load()}, nil
}

// Own says whether the process is, by now, a program of the image's own.
func (p *Proc) Own() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.own
}
