package static

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
	"k8s.io/klog/v2"
)

const (
	// rereadEvery is how often all is read although no news came (upstream: fileCheckFrequency).
	rereadEvery = 20 * time.Second
	// retryEvery is how often it is tried to follow a folder that is not there (upstream: retryPeriod).
	retryEvery = time.Second
	// calm is how long nothing may change before it is read: many write a file in more than one step.
	calm = 50 * time.Millisecond
)

var errMoved = errors.New("the folder was removed or renamed")

// Run reads the folder whenever it changes, until ctx ends.
func (f *Folder) Run(ctx context.Context) {
	for ctx.Err() == nil {
		err := f.follow(ctx)
		if ctx.Err() != nil {
			return
		}
		klog.FromContext(ctx).V(1).Info("The static pods' manifests cannot be followed; trying again", "path", f.path, "err", err)
		f.Read(time.Now())
		sleep(ctx, retryEvery)
	}
}

// follow reads the folder now and whenever it changes. It returns when that
// cannot go on.
func (f *Folder) follow(ctx context.Context) error {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return err
	}
	defer watcher.Close()
	dir := f.path
	if info, err := os.Stat(dir); err == nil && !info.IsDir() {
		dir = filepath.Dir(dir) // a file is often replaced by another of its name
	}
	if err := watcher.Add(dir); err != nil {
		return err
	}
	again := time.NewTicker(rereadEvery)
	defer again.Stop()
	for {
		f.Read(time.Now())
		select {
		case e := <-watcher.Events:
			if err := settle(ctx, watcher, dir, e); err != nil {
				return err
			}
		case err := <-watcher.Errors:
			return err
		case <-again.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// settle waits, from the first event on, until nothing has changed for a moment.
// The error is why the folder cannot be followed any more.
func settle(ctx context.Context, watcher *fsnotify.Watcher, dir string, e fsnotify.Event) error {
	quiet, longest := time.NewTimer(calm), time.NewTimer(10*calm)
	defer quiet.Stop()
	defer longest.Stop()
	for {
		if e.Name == dir && (e.Has(fsnotify.Remove) || e.Has(fsnotify.Rename)) {
			return errMoved
		}
		select {
		case e = <-watcher.Events:
			quiet.Reset(calm)
		case err := <-watcher.Errors:
			return err
		case <-quiet.C:
			return nil
		case <-longest.C:
			return nil
		case <-ctx.Done():
			return nil
		}
	}
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
