package podlingtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	// endPatience is how long podling has to end when it is told to: it gives itself 20 s.
	endPatience = 25 * time.Second
	// tailLines is how much of what it said is kept.
	tailLines = 40
	// openOutput is how long output is waited for that a process of its own still holds open.
	openOutput = time.Second
)

// process is a `podling up`.
type process struct {
	cmd   *exec.Cmd
	stdin io.Closer // held open for as long as it is to live
	said  tail

	ready chan struct{} // closed when it is up
	nodes []string      // read after ready
	done  chan struct{} // closed when it has ended
	err   error         // how; read after done
}

// startProcess starts the program. It is not up yet.
func startProcess(program string, args []string) (*process, error) {
	p := &process{cmd: exec.Command(program, args...), ready: make(chan struct{}), done: make(chan struct{})}
	var err error
	// The other end is closed with this process, however it ends, and then podling ends too.
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	p.cmd.Stdout = &readyLine{p: p}
	p.cmd.Stderr = &p.said
	p.cmd.WaitDelay = openOutput
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(p.done)
		p.err = p.cmd.Wait()
	}()
	return p, nil
}

// waitUp returns when the cluster is up.
func (p *process) waitUp(ctx context.Context) error {
	select {
	case <-p.ready:
		return nil
	case <-p.done:
		return p.ended()
	case <-ctx.Done():
		return fmt.Errorf("it is not up in time (%w): %s", ctx.Err(), p.said.String())
	}
}

// ended is why it is no more, in its own words.
func (p *process) ended() error {
	how := "with exit code 0"
	if p.err != nil {
		how = p.err.Error()
	}
	if said := p.said.String(); said != "" {
		return fmt.Errorf("it ended (%s): %s", how, said)
	}
	return fmt.Errorf("it ended (%s) without a word", how)
}

// gone is ended, as the reason why something did not come about.
func (p *process) gone() error { return fmt.Errorf("podling is gone: %w", p.ended()) }

// stop tells it to end, and ends it if it does not.
func (p *process) stop() error {
	select {
	case <-p.done:
		return p.ended()
	default:
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return errors.Join(err, p.stdin.Close())
	}
	late := time.NewTimer(endPatience)
	defer late.Stop()
	select {
	case <-p.done:
		if p.err != nil {
			return p.ended()
		}
		return nil
	case <-late.C:
		err := p.cmd.Process.Kill()
		<-p.done
		return errors.Join(fmt.Errorf("it did not end within %s, and was killed: %s", endPatience, p.said.String()), err)
	}
}

// readyLine waits for the line `ready kubeconfig=… node=…` on podling's standard output.
type readyLine struct {
	p    *process
	line []byte
	seen bool
}

// Write is io.Writer's.
func (r *readyLine) Write(b []byte) (int, error) {
	for n := len(b); ; {
		if r.seen {
			return n, nil
		}
		line, rest, whole := bytes.Cut(b, []byte("\n"))
		r.line = append(r.line, line...)
		if !whole {
			return n, nil
		}
		if words := strings.Fields(string(r.line)); len(words) > 0 && words[0] == "ready" {
			for _, word := range words {
				if node, ok := strings.CutPrefix(word, "node="); ok {
					r.p.nodes = append(r.p.nodes, node)
				}
			}
			r.seen = true
			close(r.p.ready)
		}
		b, r.line = rest, r.line[:0]
	}
}

// tail is the last lines of an output.
type tail struct {
	mu    sync.Mutex
	lines []string
	part  string
}

// Write is io.Writer's.
func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := strings.Split(t.part+string(b), "\n")
	t.part = lines[len(lines)-1]
	t.lines = append(t.lines, lines[:len(lines)-1]...)
	if more := len(t.lines) - tailLines; more > 0 {
		t.lines = slices.Delete(t.lines, 0, more)
	}
	return len(b), nil
}

// String gives them.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(strings.Join(append(slices.Clone(t.lines), t.part), "\n"))
}
