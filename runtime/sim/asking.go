package sim

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	utilexec "k8s.io/utils/exec"

	"github.com/podling/podling/runtime/sim/script"
)

// asking is under what a context says which probe or hook a command is for.
type asking struct{}

// Asking has ExecSync know that the command is a probe's (Startup, Readiness, Liveness) or a
// hook's (PostStart, PreStop; in any case). A script may say what they answer, and a program
// that nobody knows answers all of them well.
func (r *Runtime) Asking(ctx context.Context, kind string) context.Context {
	return context.WithValue(ctx, asking{}, kind)
}

// says is what a command answers that is not run: a probe's or hook's that the container's
// script speaks of, or any if nothing is known of its program.
func (c *container) says(ctx context.Context, kind string, command []string, timeout time.Duration) (output []byte, said bool, err error) {
	if answers := c.answers(kind); len(answers) > 0 {
		answer, late, err := c.scripted(ctx, answers, timeout)
		switch {
		case err != nil:
			return nil, true, err
		case late:
			return nil, true, timedOut(command, timeout)
		case !answer.OK:
			err = utilexec.CodeExitError{Err: fmt.Errorf("command '%s' exited with 1: ", strings.Join(command, " ")), Code: 1}
		}
		return []byte(answer.Output), true, err
	}
	if hook := c.hook(kind); hook != nil {
		return nil, true, c.play(ctx, hook)
	}
	return nil, c.opaque(), nil
}

// answers are what the container's script says to a kind of probe.
func (c *container) answers(kind string) []script.Probe {
	if c.run.Probes == nil {
		return nil
	}
	switch strings.ToLower(kind) {
	case "startup":
		return c.run.Probes.Startup
	case "readiness":
		return c.run.Probes.Readiness
	case "liveness":
		return c.run.Probes.Liveness
	}
	return nil
}

// scripted gives the last answer that is due, after the time that it takes; late if that is
// longer than the timeout.
func (c *container) scripted(ctx context.Context, answers []script.Probe, timeout time.Duration) (answer script.Probe, late bool, err error) {
	now := c.r.now()
	c.r.mu.Lock()
	ran := time.Duration(now - c.startedAt)
	c.r.mu.Unlock()
	for _, a := range answers {
		if time.Duration(a.After) <= ran {
			answer = a
		}
	}
	late = time.Duration(answer.Took) > timeout
	return answer, late, c.r.delay(ctx, min(timeout, time.Duration(answer.Took)))
}

// hook is what the container's script says of one.
func (c *container) hook(when string) *script.Hook {
	if c.run.Hooks == nil {
		return nil
	}
	switch strings.ToLower(when) {
	case "poststart":
		return c.run.Hooks.PostStart
	case "prestop":
		return c.run.Hooks.PreStop
	}
	return nil
}

// play has a hook go as the script says.
func (c *container) play(ctx context.Context, hook *script.Hook) error {
	if err := c.r.delay(ctx, time.Duration(hook.Took)); err != nil {
		return err
	}
	if hook.Error != "" {
		return errors.New(hook.Error)
	}
	return nil
}
