package containerd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/containerd/containerd/api/runtime/task/v3"
	"k8s.io/klog/v2"
)

// A shim that was making a container when its containerd was killed counts that container for ever and
// does not end when it is told to (Shutdown in cmd/containerd-shim-runc-v2/task/service.go). containerd
// deletes what it has of the sandbox all the same, and nobody minds the shim any more.

// leaving is how long a shim may take to end after its sandbox has.
const leaving = 2 * time.Second

// StopPodSandbox ends the sandbox's shim too, should it stay.
func (r remembering) StopPodSandbox(ctx context.Context, id string) error {
	shim, known := readShim(filepath.Join(r.files.tasks(), id))
	if err := r.RuntimeService.StopPodSandbox(ctx, id); err != nil || known != nil {
		return err
	}
	time.AfterFunc(leaving, func() { r.seeOff(shim, id) }) // nobody waits for it
	return nil
}

// seeOff ends the shim of a sandbox that containerd has let go of.
func (r remembering) seeOff(shim shim, sandbox string) {
	if _, err := os.Stat(filepath.Join(r.files.tasks(), sandbox)); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err := shim.kill(context.Background(), sandbox); err != nil {
		klog.ErrorS(err, "A shim that was left without a task does not end; the next start tries again", "sandbox", sandbox)
	}
}

// kill ends the shim of a sandbox.
func (s shim) kill(ctx context.Context, sandbox string) error {
	client, err := s.dial()
	if err != nil {
		return nil // it has ended
	}
	defer client.Close() // was only asked
	ctx, cancel := context.WithTimeout(ctx, shimPatience)
	defer cancel()
	r, err := task.NewTTRPCTaskClient(client).Connect(ctx, &task.ConnectRequest{ID: sandbox})
	if err != nil {
		return err
	}
	pid := int(r.ShimPid)
	if id, err := shimOf(pid); err != nil || id != sandbox {
		return fmt.Errorf("process %d says that it is the shim of sandbox %s, and is not (%w)", pid, sandbox, err)
	}
	return endShim(pid, sandbox)
}

// shims are the processes of this folder's.
func (l layout) shims() ([]int, error) { return processesWith("-address", l.socket()) }

// endForgotten ends those of the shims that have no task: they are of sandboxes that were being made or
// removed when their containerd was killed. The shims have to be older than the containerd that runs.
func (l layout) endForgotten(shims []int) error {
	for _, pid := range shims {
		id, err := shimOf(pid)
		if err != nil {
			continue // it has ended
		}
		if _, err := os.Stat(filepath.Join(l.tasks(), id)); !errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err := endShim(pid, id); err != nil {
			return err
		}
	}
	return nil
}

// shimOf is the sandbox whose shim a process is.
func shimOf(pid int) (string, error) {
	args, err := arguments(pid)
	if err != nil {
		return "", err
	}
	i := slices.Index(args, "-id")
	if !strings.Contains(filepath.Base(args[0]), "containerd-shim") || i < 0 || i+1 == len(args) {
		return "", fmt.Errorf("process %d is no shim", pid)
	}
	return args[i+1], nil
}

// endShim ends a shim, and before it what it has begun, which would run on.
func endShim(pid int, sandbox string) error {
	klog.InfoS("A shim that was left without a task is ended", "sandbox", sandbox, "pid", pid)
	children, err := childrenOf(pid)
	if err != nil {
		return err
	}
	for _, pid := range append(children, pid) {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && err != syscall.ESRCH {
			return fmt.Errorf("ending shim %d: %w", pid, err)
		}
	}
	return nil
}

// childrenOf are the processes that a process has begun.
func childrenOf(pid int) (children []int, err error) {
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		return nil, err
	}
	for _, task := range tasks {
		b, err := os.ReadFile(task)
		if err != nil {
			continue // ended meanwhile
		}
		for child := range strings.FieldsSeq(string(b)) {
			if pid, err := strconv.Atoi(child); err == nil {
				children = append(children, pid)
			}
		}
	}
	return children, nil
}

// arguments are a process's.
func arguments(pid int) ([]string, error) {
	raw, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline"))
	return strings.Split(string(raw), "\x00"), err
}
