package cluster

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
	"k8s.io/mount-utils"
)

// folder is a data folder that this process alone uses.
type folder struct {
	path      string
	lock      *os.File
	ephemeral bool
}

// lockFile is locked by the process that uses the folder, and says which that is.
const lockFile = "podling.lock"

// folderMode lets nobody list the folder, and everybody walk through it: pods that have users of their
// own reach their root below it as these. What lies in it is closed by itself.
const folderMode = 0o711

// openFolder makes the folder and locks it. With an empty path it is a temporary one, which
// goes when it is closed.
func openFolder(path string) (*folder, error) {
	f := &folder{path: path, ephemeral: path == ""}
	var err error
	if f.ephemeral {
		if f.path, err = os.MkdirTemp("", "podling-"); err == nil {
			err = os.Chmod(f.path, folderMode)
		}
	} else if f.path, err = filepath.Abs(path); err == nil {
		err = os.MkdirAll(f.path, folderMode)
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
	lock, err := os.OpenFile(filepath.Join(f.path, lockFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("the data folder cannot be written (choose another with --data-dir): %w", err)
	}
	err = unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		holder, _ := io.ReadAll(lock) // who it is makes the message better, no more
		return errors.Join(fmt.Errorf("the data folder %s is in use by process %s: stop that one, or choose another folder with --data-dir",
			f.path, strings.TrimSpace(string(holder))), lock.Close())
	}
	if err == nil {
		err = lock.Truncate(0)
	}
	if err == nil {
		_, err = lock.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("lock the data folder %s: %w", f.path, err), lock.Close())
	}
	f.lock = lock
	return nil
}

// close gives the folder back, and removes it if it is a temporary one.
func (f *folder) close() error {
	var err error
	if f.ephemeral {
		err = f.remove()
	}
	return errors.Join(err, f.lock.Close())
}

// remove takes down what is mounted in the folder, as the volumes of pods are, and removes it.
func (f *folder) remove() error {
	mounts, err := mount.New("").List()
	if err != nil {
		return fmt.Errorf("what is mounted in the temporary folder: %w", err)
	}
	for _, m := range slices.Backward(mounts) { // the innermost first
		if strings.HasPrefix(m.Path, f.path+string(filepath.Separator)) {
			if err := unix.Unmount(m.Path, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW); err != nil {
				return fmt.Errorf("unmount %s: %w", m.Path, err)
			}
		}
	}
	if err := os.RemoveAll(f.path); err != nil {
		return fmt.Errorf("remove the temporary folder: %w", err)
	}
	return nil
}
