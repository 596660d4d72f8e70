package containerd

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
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

// A process is one run of containerd.
type process struct {
	cmd    *exec.Cmd
	began  time.Time
	exited chan struct{} // closed when it has ended
}

// launch starts containerd in a session of its own: a Ctrl-C meant for podling
// must not end it before podling has ended in order.
func (d *Daemon) launch() (*process, error) {
	log, err := os.OpenFile(d.files.log(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close() // containerd has its own handle
	if err := endForgottenShims(d.files); err != nil {
		klog.ErrorS(err, "Shims that nobody minds any more are left")
	}
	d.files.keepEnds() // that nobody has seen
	cmd := exec.Command(d.programs.containerd, "--config", d.files.config(), "--log-level", "warn")
	path := append([]string{filepath.Dir(d.programs.containerd)}, pathDirs()...)
	cmd.Env = append(os.Environ(), "PATH="+strings.Join(path, string(filepath.ListSeparator)))
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting containerd: %w", err)
	}
	p := &process{cmd: cmd, began: time.Now(), exited: make(chan struct{})}
	go func() {
		// How it ended is in cmd.ProcessState and in containerd's log.
		_ = cmd.Wait()
		close(p.exited)
	}()
	return p, nil
}

// mind starts containerd again whenever it ends, until Stop.
func (d *Daemon) mind(p *process) {
	defer close(d.ended)
	pause := time.Duration(0)
	for {
		select {
		case <-d.stopping:
			d.files.keepEnds() // which containerd may not get round to writing down
			p.end(context.Background())
			return
		case <-p.exited:
		}
		klog.InfoS("containerd ended and is started again", "state", p.cmd.ProcessState, "log", d.files.log())
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
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.exited:
		return
	case <-time.After(endPatience):
	case <-ctx.Done():
	}
	_ = p.cmd.Process.Kill()
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

// endLeftBehind ends the containerd of this folder that an earlier podling,
// killed, could not end. It is known by its command line, not by a file with a
// process id that could be another's by now.
func endLeftBehind(ctx context.Context, l layout) error {
	pids, err := processesWith("--config", l.config())
	if err != nil {
		return err
	}
	return endAll(ctx, pids)
}

// processesWith finds the processes that have flag and value, one after the
// other, in their command line.
func processesWith(flag, value string) ([]int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		args, err := arguments(pid)
		if err != nil {
			continue // ended meanwhile
		}
		i := slices.Index(args, flag)
		if i >= 0 && i+1 < len(args) && args[i+1] == value && pid != os.Getpid() {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// endAll asks processes that are not podling's children to end, insists after a
// while, and returns when they are gone.
func endAll(ctx context.Context, pids []int) error {
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		for _, pid := range pids {
			if err := syscall.Kill(pid, sig); err != nil && err != syscall.ESRCH {
				return fmt.Errorf("ending process %d: %w", pid, err)
			}
		}
		deadline := time.Now().Add(endPatience)
		for len(pids) > 0 && time.Now().Before(deadline) && ctx.Err() == nil {
			time.Sleep(5 * time.Millisecond)
			pids = slices.DeleteFunc(pids, func(pid int) bool { return syscall.Kill(pid, 0) == syscall.ESRCH })
		}
	}
	if len(pids) > 0 {
		return fmt.Errorf("processes %v do not end", pids)
	}
	return nil
}
