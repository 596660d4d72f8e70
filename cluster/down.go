package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// downInterval is how often it is looked whether a podling that was told to end has ended.
const downInterval = 50 * time.Millisecond

// ErrNotUp says that no podling uses a data folder.
var ErrNotUp = errors.New("no podling uses it")

// DataFolder is the data folder that Up uses with these options, or, of a node that joins, JoinNode.
func (o Options) DataFolder(joins bool) (string, error) {
	dir := o.DataDir
	if dir == "" {
		var err error
		if dir, err = defaultDataDir(); err != nil {
			return "", err
		}
		if joins {
			dir += "-node"
		}
	}
	return filepath.Abs(dir)
}

// EndPodsSignal tells a podling to end its pods in order and then itself. Init and UPS programs send it
// when the power fails.
const EndPodsSignal = syscall.SIGPWR

// Down has the podling that uses a data folder end in order, as by SIGTERM, or, with its pods, as by
// EndPodsSignal, and waits for it until ctx ends. The error is ErrNotUp if there is none.
func Down(ctx context.Context, dir string, pods bool) error {
	pid, err := holder(dir)
	if err != nil {
		return err
	}
	process, err := os.FindProcess(pid) // never fails
	how := syscall.SIGTERM
	if pods {
		how = EndPodsSignal
	}
	if err == nil {
		err = process.Signal(how)
	}
	if err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("tell process %d to end: %w", pid, err)
	}
	for {
		if now, err := holder(dir); errors.Is(err, ErrNotUp) || err == nil && now != pid {
			return nil
		} else if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("process %d has not ended yet (%w); its log is in %s", pid, ctx.Err(), filepath.Join(dir, "log"))
		case <-time.After(downInterval):
		}
	}
}

// holder is the process that has locked a data folder.
func holder(dir string) (int, error) {
	name := filepath.Join(dir, lockFile)
	file, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("%s: %w", dir, ErrNotUp)
	}
	if err != nil {
		return 0, fmt.Errorf("who uses the data folder: %w", err)
	}
	defer file.Close() // and with it the lock
	err = unix.Flock(int(file.Fd()), unix.LOCK_SH|unix.LOCK_NB)
	if err == nil {
		return 0, fmt.Errorf("%s: %w", dir, ErrNotUp)
	}
	if !errors.Is(err, unix.EWOULDBLOCK) {
		return 0, fmt.Errorf("who uses the data folder %s: %w", dir, err)
	}
	text, err := io.ReadAll(file)
	if err != nil {
		return 0, fmt.Errorf("who uses the data folder: %w", err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || pid <= 1 {
		return 0, fmt.Errorf("%s: %q is not a process", name, text)
	}
	return pid, nil
}
