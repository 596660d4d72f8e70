package containerd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"k8s.io/klog/v2"
)

const (
	// endPatience is how long a process may take to end when asked to.
	endPatience = 5 * time.Second
	// A containerd that dies sooner than this after its start is not started
	// again at once, but after a pause that doubles up to longestPause.
	soon         = 5 * time.Second
	firstPause   = 100 * time.Millisecond
	longestPause = 5 * time.Second
)

// A process is one run of containerd: podling's child, or that of an earlier podling.
type process struct {
	*os.Process
	began  time.Time
	exited chan struct{} // closed when it has ended
	state  string        // how, if that is known
}

// launch starts containerd in a session of its own: a Ctrl-C meant for podling
// must not end it before podling has ended in order.
func (d *Daemon) launch() (*process, error) {
	log, err := os.OpenFile(d.files.log(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close() // containerd has its own handle
	left, err := d.files.orphans()
	if err != nil {
		return nil, err
	}
	if err := errors.Join(d.files.endForgotten(left.shims), d.files.removeHalf()); err != nil {
		klog.ErrorS(err, "Shims or folders of tasks that nobody minds any more are left")
	}
	d.files.keepEnds() // that nobody has seen
	cmd := exec.Command(d.programs.containerd, "--config", d.files.config(), "--log-level", "warn")
	cmd.Env = append(os.Environ(), "PATH="+d.path())
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting containerd: %w", err)
	}
	p := &process{Process: cmd.Process, began: time.Now(), exited: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // how it ended is in the state, and in containerd's log
		p.state = cmd.ProcessState.String()
		close(p.exited)
	}()
	go left.removePatiently(d.files, p)
	return p, nil
}

// endingWith is a context that ends with ctx, and once done is closed.
func endingWith(ctx context.Context, done <-chan struct{}) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		select {
		case <-done:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// path is where containerd looks for programs.
func (d *Daemon) path() string {
	dirs := append([]string{filepath.Dir(d.programs.containerd)}, pathDirs()...)
	return strings.Join(dirs, string(filepath.ListSeparator))
}

// mind starts containerd again whenever it ends, until Stop.
func (d *Daemon) mind(p *process) {
	defer close(d.ended)
	pause := time.Duration(0)
	for {
		select {
		case <-d.stopping:
			d.heard.keep(d.files) // which containerd may not get round to writing down
			d.files.keepEnds()
			p.end(context.Background())
			return
		case <-p.exited:
		}
		d.heard.keep(d.files)
		klog.InfoS("containerd ended and is started again", "state", p.state, "log", d.files.log())
		for started := false; !started; {
			if time.Since(p.began) > soon {
				pause = 0
			}
			select {
			case <-d.stopping:
				return
			case <-time.After(pause):
			}
			pause = min(max(2*pause, firstPause), longestPause)
			next, err := d.launch()
			if err != nil {
				klog.ErrorS(err, "containerd does not start", "log", d.files.log())
				continue
			}
			p, started = next, true
		}
	}
}

// end asks the process to end and insists after a while, or when ctx ends.
func (p *process) end(ctx context.Context) {
	// Both signals fail only when the process is gone, which is what is wanted.
	_ = p.Signal(syscall.SIGTERM)
	select {
	case <-p.exited:
		return
	case <-time.After(endPatience):
	case <-ctx.Done():
	}
	_ = p.Kill()
	<-p.exited
}

// lastLog is the last of what containerd said, for an error message.
func (l layout) lastLog() string {
	b, err := os.ReadFile(l.log())
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	last := strings.Join(lines[max(0, len(lines)-3):], "\n")
	if err != nil || last == "" {
		return "it wrote nothing to " + l.log()
	}
	return last + "\n(all of it in " + l.log() + ")"
}
