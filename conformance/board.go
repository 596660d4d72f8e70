package conformance

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// A board is the folder in which a scenario's steps read what the watches saw, one
// small file a fact: POD.phase, POD.status, POD.seen, POD.restarts, POD.ready,
// POD.events.
type board string

// put writes a fact; a reader sees the old one or the new one, whole.
func (b board) put(pod, fact string, value any) error {
	path := filepath.Join(string(b), pod+"."+fact)
	if err := os.WriteFile(path+".new", fmt.Appendln(nil, value), 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// add appends a line to a fact.
func (b board) add(pod, fact, line string) error {
	f, err := os.OpenFile(filepath.Join(string(b), pod+"."+fact), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(f, line)
	return errors.Join(err, f.Close())
}

// forget removes what is true of a pod only while it exists.
func (b board) forget(pod string) error {
	var errs []error
	for _, fact := range []string{"status", "phase", "restarts", "ready"} {
		if err := os.Remove(filepath.Join(string(b), pod+"."+fact)); !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
