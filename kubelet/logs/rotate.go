// Package logs keeps the containers' logs from filling the disk. The runtime
// writes each into one file; a file that has grown large is put aside, and of
// those put aside the older are packed and the oldest thrown away:
//
//	LOGS/NAMESPACE_POD_UID/CONTAINER/ATTEMPT.log                     being written
//	LOGS/NAMESPACE_POD_UID/CONTAINER/ATTEMPT.log.20060102-150405     put aside last
//	LOGS/NAMESPACE_POD_UID/CONTAINER/ATTEMPT.log.20060102-150405.gz  before that
//
// In a pod's way it stands beside its containers while they run. The names, sizes
// and numbers are upstream's (pkg/kubelet/logs), which log collectors know; whose
// logs are large is read from the disk instead of asking the runtime for each
// container's status every time.
package logs

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	internalapi "k8s.io/cri-api/pkg/apis"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
	"k8s.io/klog/v2"
)

// Upstream's defaults (containerLogMaxSize, containerLogMaxFiles and
// containerLogMonitorInterval of the KubeletConfiguration).
const (
	MaxSize  = 10 << 20 // bytes
	MaxFiles = 5        // of one container's run, the one being written among them
	lookEach = 10 * time.Second
)

const (
	packed    = ".gz"
	unfinal   = ".tmp"
	timestamp = "20060102-150405"
)

// Of names the labels by which the runtime finds a container again.
type Of struct{ PodUID, Container string }

// Rotator minds the logs of one node's containers.
type Rotator struct {
	dir     string
	runtime internalapi.RuntimeService
	labels  Of
}

// New gives a rotator of the logs below dir.
func New(dir string, runtime internalapi.RuntimeService, labels Of) *Rotator {
	return &Rotator{dir: dir, runtime: runtime, labels: labels}
}

// Run looks after the logs until ctx ends.
func (r *Rotator) Run(ctx context.Context) {
	tick := time.NewTicker(lookEach)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := r.look(ctx, time.Now()); err != nil && ctx.Err() == nil {
			klog.FromContext(ctx).Error(err, "Putting large container logs aside; they go on growing until the next look")
		}
	}
}

// look puts aside what has grown large. One log that cannot be does not keep the
// others from it.
func (r *Rotator) look(ctx context.Context, now time.Time) error {
	files, err := filepath.Glob(filepath.Join(r.dir, "*", "*", "*.log"))
	if err != nil {
		return err
	}
	var errs []error
	for _, file := range files {
		if info, err := os.Stat(file); err == nil && info.Size() >= MaxSize {
			errs = append(errs, r.rotate(ctx, file, now))
		}
	}
	return errors.Join(errs...)
}

// rotate puts one log aside, if a container still writes it: one that has ended
// has its last words there.
func (r *Rotator) rotate(ctx context.Context, file string, now time.Time) error {
	id, err := r.writer(ctx, file)
	if err != nil || id == "" {
		return err
	}
	aside, err := tidy(file)
	if err != nil {
		return fmt.Errorf("log %s: %w", file, err)
	}
	for _, old := range aside {
		if !strings.HasSuffix(old, packed) {
			if err := pack(old); err != nil {
				return fmt.Errorf("packing log %s: %w", old, err)
			}
		}
	}
	rotated := file + "." + now.Format(timestamp)
	if err := os.Rename(file, rotated); err != nil {
		return fmt.Errorf("putting a log aside: %w", err)
	}
	if err := r.runtime.ReopenContainerLog(ctx, id); err != nil {
		err = fmt.Errorf("the runtime does not begin a new log %s: %w", file, err)
		return errors.Join(err, os.Rename(rotated, file)) // to be tried again
	}
	return nil
}

// writer is the running container that writes the log, "" if there is none.
func (r *Rotator) writer(ctx context.Context, file string) (string, error) {
	container := filepath.Dir(file)
	pod := filepath.Base(filepath.Dir(container))
	attempt, err := strconv.ParseUint(strings.TrimSuffix(filepath.Base(file), ".log"), 10, 32)
	if err != nil {
		return "", nil // none of the node's
	}
	list, err := r.runtime.ListContainers(ctx, &runtimeapi.ContainerFilter{
		State: &runtimeapi.ContainerStateValue{State: runtimeapi.ContainerState_CONTAINER_RUNNING},
		LabelSelector: map[string]string{
			r.labels.PodUID: pod[strings.LastIndex(pod, "_")+1:], r.labels.Container: filepath.Base(container),
		},
	})
	if err != nil {
		return "", fmt.Errorf("who writes log %s: %w", file, err)
	}
	i := slices.IndexFunc(list, func(c *runtimeapi.Container) bool { return c.GetMetadata().GetAttempt() == uint32(attempt) })
	if i < 0 {
		return "", nil
	}
	return list[i].Id, nil
}

// tidy removes what earlier attempts left half done and what is too old, and gives
// the rest of what was put aside, the oldest first.
func tidy(file string) ([]string, error) {
	aside, err := filepath.Glob(file + ".*")
	if err != nil {
		return nil, err
	}
	slices.Sort(aside)
	keep := slices.DeleteFunc(slices.Clone(aside), func(f string) bool {
		return strings.HasSuffix(f, unfinal) || slices.Contains(aside, f+packed)
	})
	keep = keep[max(0, len(keep)-(MaxFiles-2)):] // beside these: the one that follows, and the one being written
	for _, f := range aside {
		if !slices.Contains(keep, f) {
			if err := os.Remove(f); err != nil {
				return nil, err
			}
		}
	}
	return keep, nil
}

// pack replaces a log by a packed one.
func pack(file string) (err error) {
	from, err := os.Open(file)
	if err != nil {
		return err
	}
	defer from.Close()
	info, err := from.Stat()
	if err != nil {
		return err
	}
	half := file + unfinal
	to, err := os.OpenFile(half, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, info.Mode())
	if err != nil {
		return err
	}
	w := gzip.NewWriter(to)
	_, err = io.Copy(w, from)
	if err = errors.Join(err, w.Close(), to.Close()); err != nil {
		return errors.Join(err, os.Remove(half))
	}
	if err := os.Rename(half, file+packed); err != nil {
		return err
	}
	return os.Remove(file)
}
