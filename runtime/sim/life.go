package sim

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
	utilclock "k8s.io/utils/clock"

	"github.com/podling/podling/clock"
	"github.com/podling/podling/runtime/sim/script"
	"github.com/podling/podling/runtime/sim/shell"
)

const (
	exitKilled     = 137 // 128 and SIGKILL
	exitStartError = 128
)

// StartContainer is the CRI's. One that cannot be started ends as containerd's
// do: exit code 128, reason StartError.
func (r *Runtime) StartContainer(ctx context.Context, id string) error {
	r.mu.Lock()
	c, err := r.findContainer(id)
	switch {
	case err != nil:
	case c.state != runtimeapi.ContainerState_CONTAINER_CREATED:
		err = status.Errorf(codes.Unknown, "failed to set starting state for container %q: container is in %v state", id, c.state)
	case c.starting:
		err = status.Errorf(codes.Unknown, "failed to set starting state for container %q: container is already in starting state", id)
	case c.sandbox.state != runtimeapi.PodSandboxState_SANDBOX_READY:
		err = status.Errorf(codes.Unknown, "sandbox container %q is not running", c.sandbox.id)
	default:
		c.starting = true
	}
	r.mu.Unlock()
	if err != nil {
		return err
	}
	if step := c.run.Start; step != nil {
		if err := r.delay(ctx, time.Duration(step.Took)); err != nil {
			r.mu.Lock()
			c.starting = false
			r.mu.Unlock()
			return status.FromContextError(err).Err()
		}
		if step.Error != "" {
			return r.startFailed(c, step.Error)
		}
	}
	args, own := command(c.config, c.image)
	if !c.run.Replaces() && !own {
		if _, err := c.machine().Look(args[0]); err != nil {
			return r.startFailed(c, "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: "+err.Error())
		}
	}
	now := r.now()
	r.mu.Lock()
	if c.removed || c.state != runtimeapi.ContainerState_CONTAINER_CREATED {
		r.mu.Unlock()
		return status.Errorf(codes.NotFound, "container %q is gone", id)
	}
	c.state, c.startedAt = runtimeapi.ContainerState_CONTAINER_RUNNING, now
	r.tell(id, c.sandbox, runtimeapi.ContainerEventType_CONTAINER_STARTED_EVENT, now)
	r.mu.Unlock()
	switch {
	case c.run.Replaces():
		c.perform()
	case own:
		c.setFirst(c.machine().StartOwn(args, c.ended))
	default:
		w := r.waiter(ctx, settling)
		defer w.stop()
		defer c.join(w)()
		p, err := c.machine().Start(args, c.ended)
		if err != nil { // its files have changed since it was looked for
			c.ended(exitStartError)
			return nil
		}
		c.setFirst(p)
		for !c.settled() && !w.over() && !r.stands() && ctx.Err() == nil {
			w.wait()
		}
	}
	return nil
}

// settling is how long a start waits at most for the program to come to where it
// waits, or ends. What a real one does until then, such as setting its traps, takes
// less time than a real runtime needs to go on to the next container. Only one that never waits, such as an
// endless loop, takes all of it: a machine that has much to do may not get round to the others sooner.
const settling = time.Second

// stands: time does not move by itself, so that nothing that takes some can be waited for.
func (r *Runtime) stands() bool {
	v, virtual := r.clk.(*clock.Virtual)
	return virtual && !v.State().Running
}

// waits: the first process has come to where it waits.
func (c *container) waits() {
	c.r.mu.Lock()
	had := c.waited
	c.waited = true
	waiters := c.waiters
	c.r.mu.Unlock()
	if had {
		return
	}
	for _, w := range waiters {
		w.ring()
	}
}

// settled: the program has come to where it waits, or has ended.
func (c *container) settled() bool {
	c.r.mu.Lock()
	defer c.r.mu.Unlock()
	return c.waited || c.state != runtimeapi.ContainerState_CONTAINER_RUNNING
}

func (c *container) setFirst(p *shell.Proc) {
	c.r.mu.Lock()
	defer c.r.mu.Unlock()
	c.first = p
}

func (r *Runtime) startFailed(c *container, message string) error {
	now := r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	c.state, c.finishedAt = runtimeapi.ContainerState_CONTAINER_EXITED, now
	c.exitCode, c.reason, c.message = exitStartError, "StartError", message
	return status.Error(codes.Unknown, message)
}

// ended enters the container's end.
func (c *container) ended(code int) {
	r := c.r
	c.flush()
	now := r.now()
	r.mu.Lock()
	if c.state != runtimeapi.ContainerState_CONTAINER_RUNNING {
		r.mu.Unlock()
		return
	}
	c.state, c.finishedAt, c.exitCode = runtimeapi.ContainerState_CONTAINER_EXITED, now, int32(code)
	switch {
	case c.oom:
		c.reason = "OOMKilled"
	case code == 0:
		c.reason = "Completed"
	default:
		c.reason = "Error"
	}
	timers, waiters, inside := c.timers, c.waiters, c.inside
	c.timers, c.waiters = nil, nil
	r.tell(c.id, c.sandbox, runtimeapi.ContainerEventType_CONTAINER_STOPPED_EVENT, now)
	r.mu.Unlock()
	for _, t := range timers {
		t.Stop()
	}
	if inside != nil {
		inside.Kill() // what was run in it beside its first process
	}
	for _, w := range waiters {
		w.ring()
	}
}

// running says whether the container runs.
func (c *container) running() bool {
	c.r.mu.Lock()
	defer c.r.mu.Unlock()
	return c.state == runtimeapi.ContainerState_CONTAINER_RUNNING
}

// StopContainer ends a container: its stop signal, and SIGKILL when the grace of
// so many seconds is over.
func (r *Runtime) StopContainer(ctx context.Context, id string, timeout int64) error {
	r.mu.Lock()
	c := r.containers[id]
	r.mu.Unlock()
	if c == nil { // the call may be repeated
		return nil
	}
	return r.end(ctx, c, time.Duration(timeout)*time.Second)
}

// end ends a container that runs, and returns when it has ended.
func (r *Runtime) end(ctx context.Context, c *container, grace time.Duration) error {
	if !c.running() {
		return nil
	}
	w := r.waiter(ctx, grace)
	defer w.stop()
	defer c.join(w)()
	if grace > 0 {
		c.stop()
		for c.running() && !w.over() {
			if err := ctx.Err(); err != nil {
				return status.FromContextError(err).Err()
			}
			w.wait()
		}
	}
	r.kill(c)
	for c.running() {
		if err := ctx.Err(); err != nil {
			return status.FromContextError(err).Err()
		}
		w.wait()
	}
	return nil
}

// join has w rung when the container settles or ends, until the result is called.
func (c *container) join(w *waiter) (leave func()) {
	c.r.mu.Lock()
	defer c.r.mu.Unlock()
	c.waiters = append(c.waiters, w)
	return func() {
		c.r.mu.Lock()
		defer c.r.mu.Unlock()
		c.waiters = slices.DeleteFunc(slices.Clone(c.waiters), func(other *waiter) bool { return other == w })
	}
}

// kill sends SIGKILL.
func (r *Runtime) kill(c *container) {
	r.mu.Lock()
	first := c.first
	running := c.state == runtimeapi.ContainerState_CONTAINER_RUNNING
	r.mu.Unlock()
	switch {
	case !running:
	case first != nil:
		c.machine().Signal(first, 9)
	default:
		c.ended(exitKilled)
	}
}

// stop sends the container's stop signal.
func (c *container) stop() {
	signal := 15
	if s := c.config.GetStopSignal(); s != runtimeapi.Signal_RUNTIME_DEFAULT {
		if n, ok := script.SignalNumber(s.String()); ok {
			signal = n
		}
	}
	c.r.mu.Lock()
	first := c.first
	c.r.mu.Unlock()
	if first != nil {
		c.machine().Signal(first, signal)
		return
	}
	s := c.run.Stop
	if s == nil {
		s = &script.Stop{}
	}
	if signal == 9 {
		c.ended(exitKilled)
		return
	}
	if !s.Ignore {
		c.after(time.Duration(s.After), func() { c.ended(int(s.Code)) })
	}
}

// after does something once d has passed, if the container still runs then.
func (c *container) after(d time.Duration, do func()) {
	if d <= 0 {
		do()
		return
	}
	t := c.r.clk.AfterFunc(d, do)
	c.r.mu.Lock()
	c.timers = append(c.timers, t)
	running := c.state == runtimeapi.ContainerState_CONTAINER_RUNNING
	c.r.mu.Unlock()
	if !running {
		t.Stop()
	}
}

// moment is how long a scripted container is up at least, so that its start is
// told before its end.
const moment = time.Millisecond

// perform does what the container's script says.
func (c *container) perform() {
	if e := c.run.Exit; e != nil {
		c.after(max(moment, time.Duration(e.After)), func() { c.exits(e) })
	}
	for i := range c.run.Logs {
		l := &c.run.Logs[i]
		stream := l.Stream
		if stream == "" {
			stream = "stdout"
		}
		c.writes(l, stream, max(moment/2, time.Duration(l.After)))
	}
}

func (c *container) exits(e *script.Exit) {
	if e.Message != "" {
		c.leave(e.Message)
	}
	code := int(e.Code)
	if n, ok := script.SignalNumber(e.Signal); ok {
		code = 128 + n
	}
	if e.OOM {
		code = exitKilled
		c.r.mu.Lock()
		c.oom = true
		c.r.mu.Unlock()
	}
	c.ended(code)
}

// writes writes a line when it is due, and again.
func (c *container) writes(l *script.Log, stream string, after time.Duration) {
	var t utilclock.Timer // guarded by the runtime's mu
	running := func() bool { return c.state == runtimeapi.ContainerState_CONTAINER_RUNNING }
	made := c.r.clk.AfterFunc(after, func() {
		if !c.running() {
			return
		}
		c.output(stream, []byte(l.Line+"\n"))
		c.r.mu.Lock()
		again := t
		if !running() || l.Every <= 0 {
			again = nil
		}
		c.r.mu.Unlock()
		if again != nil {
			again.Reset(time.Duration(l.Every))
		}
	})
	c.r.mu.Lock()
	t = made
	c.timers = append(c.timers, made)
	over := !running()
	c.r.mu.Unlock()
	if over {
		made.Stop()
	}
}

// messagePath is where in the container its last words go.
func (c *container) messagePath() string {
	if p := c.config.GetAnnotations()["io.kubernetes.container.terminationMessagePath"]; p != "" {
		return p
	}
	return "/dev/termination-log"
}

// leave writes the container's last words to where the node finds them.
func (c *container) leave(message string) {
	for _, m := range c.config.GetMounts() {
		if m.GetContainerPath() == c.messagePath() && m.GetHostPath() != "" {
			_ = os.MkdirAll(filepath.Dir(m.HostPath), 0o755)
			_ = os.WriteFile(m.HostPath, []byte(message), 0o666) // the node finds none, and shows none
		}
	}
}
