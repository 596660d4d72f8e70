package cluster

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// folder is a data folder that this process alone uses.
type folder struct {
	path      string
	lock      *os.File
	ephemeral bool
}

// openFolder makes the folder, 0700, and locks it. With an empty path it is a temporary one, which
// goes when it is closed.
func openFolder(path string) (*folder, error) {
	f := &folder{path: path, ephemeral: path == ""}
	var err error
	if f.ephemeral {
		f.path, err = os.MkdirTemp("", "podling-")
	} else if f.path, err = filepath.Abs(path); err == nil {
		err = os.MkdirAll(f.path, 0o700)
	}
	if err != nil {
		return nil, fmt.Errorf("no data folder (choose another with --data-dir): %w", err)
	}
	if err := f.acquire(); err != nil {
		return nil, err
	}
	return f, nil
}

// acquire takes the lock, which the kernel gives back when this process ends, however it ends. The
// lock file says who has it.
func (f *folder) acquire() error {
	lock, err := os.OpenFile(filepath.Join(f.path, "podling.lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("the data folder cannot be written (choose another with --data-dir): %w", err)
	}
	err = syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		holder, _ := io.ReadAll(lock) // who it is makes the message better, no more
		return errors.Join(fmt.Errorf("the data folder %s is in use by process %s: stop that one, or choose another folder with --data-dir",
			f.path, strings.TrimSpace(string(holder))), lock.Close())
	}
	if err == nil {
		err = errors.Join(lock.Truncate(0), write(lock, strconv.Itoa(os.Getpid())+"\n"))
	}
	if err != nil {
		return errors.Join(fmt.Errorf("lock the data folder %s: %w", f.path, err), lock.Close())
	}
	f.lock = lock
	return nil
}

func write(file *os.File, s string) error {
	_, err := file.WriteAt([]byte(s), 0)
	return err
}

// close gives the folder back, and removes it if it is a temporary one.
func (f *folder) close() error {
	var err error
	if f.ephemeral {
		if err = os.RemoveAll(f.path); err != nil {
			err = fmt.Errorf("remove the temporary folder: %w", err)
		}
	}
	return errors.Join(err, f.lock.Close())
}
