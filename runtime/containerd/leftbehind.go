package containerd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"k8s.io/klog/v2"
)

// A containerd outlives a podling that is killed, and goes on with what it was doing. The next podling
// takes it over if it is just what it would start: so nothing that containerd sees, a container's end
// above all, falls between two of them.

// takeOver gives the containerd of this folder that an earlier podling, killed, could not end; nil if
// there is none that will do, and then none is left. It is known by its command line, not by a file
// with a process id that could be another's by now.
func (d *Daemon) takeOver(ctx context.Context, config []byte) (*process, error) {
	pids, err := processesWith("--config", d.files.config())
	if err != nil || len(pids) == 0 {
		return nil, err
	}
	unfit := "there are several"
	if len(pids) == 1 {
		var p *process
		if p, unfit = d.fit(pids[0], config); unfit == "" {
			klog.InfoS("The containerd that an earlier podling left behind is taken over", "pid", p.Pid)
			return p, nil
		}
	}
	klog.InfoS("The containerd that an earlier podling left behind is replaced", "pids", pids, "because", unfit)
	d.files.keepEnds() // it may die before it has written them down
	return nil, endAll(ctx, pids)
}

// fit gives a process as a containerd to go on with, or says why it is none.
func (d *Daemon) fit(pid int, config []byte) (*process, string) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil, err.Error()
	}
	p := &process{began: time.Now(), exited: make(chan struct{}), state: "not podling's child"}
	why := func() string {
		if p.Process, err = os.FindProcess(pid); err != nil {
			return err.Error()
		}
		if has, err := os.ReadFile(d.files.config()); err != nil || !bytes.Equal(has, config) {
			return "its configuration would be another now"
		}
		runs, err := os.Stat(filepath.Join("/proc", strconv.Itoa(pid), "exe"))
		if err != nil {
			return err.Error()
		}
		if wanted, err := os.Stat(d.programs.containerd); err != nil || !os.SameFile(runs, wanted) {
			return d.programs.containerd + " is another program now"
		}
		if differs, err := d.surroundings(pid); err != nil || differs != "" {
			return fmt.Sprintf("its environment would be another now: %s (%v)", differs, err)
		}
		if err := unix.PidfdSendSignal(fd, 0, nil, 0); err != nil {
			return err.Error() // it has ended, and what was read may be of another
		}
		return ""
	}()
	if why != "" {
		return nil, errors.Join(errors.New(why), unix.Close(fd)).Error()
	}
	go func() {
		for ready := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}; ; {
			if _, err := unix.Poll(ready, -1); err != unix.EINTR {
				break
			}
		}
		unix.Close(fd) // nothing was written to it
		close(p.exited)
	}()
	return p, ""
}

// surroundings names the variable that containerd would have another value of now, of those that decide
// what it runs and how it reaches registries.
func (d *Daemon) surroundings(pid int) (string, error) {
	raw, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "environ"))
	if err != nil {
		return "", err
	}
	has := map[string]string{}
	for entry := range strings.SplitSeq(string(raw), "\x00") {
		name, value, _ := strings.Cut(entry, "=")
		has[name] = value
	}
	if has["PATH"] != d.path() {
		return "PATH", nil
	}
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"} {
		if has[name] != os.Getenv(name) {
			return name, nil
		}
	}
	return "", nil
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
