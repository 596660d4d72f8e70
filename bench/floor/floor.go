// Package floor makes pods with nothing but calls of the Container Runtime
// Interface: sandbox, create, start, and stop, remove. No node on the same runtime
// can be faster, so this is what podling's own share of the time is measured from.
package floor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"
	internalapi "k8s.io/cri-api/pkg/apis"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// Options say what is made.
type Options struct {
	Pods     int
	Parallel int    // pods at once
	Image    string // the runtime has to have it
}

// A Result is what was measured.
type Result struct {
	Started    []time.Duration // of each pod, sorted: sandbox, create, start
	Ended      []time.Duration // of each pod, sorted: stop, remove
	AllStarted time.Duration
	AllEnded   time.Duration
}

// Measure makes the pods and removes them again, those of a failed run too.
func Measure(ctx context.Context, runtime internalapi.RuntimeService, o Options) (Result, error) {
	logs, err := os.MkdirTemp("", "podling-floor-")
	if err != nil {
		return Result{}, err
	}
	defer os.RemoveAll(logs)
	f := floor{Options: o, runtime: runtime, run: time.Now().UnixNano(), logs: logs, sandboxes: make([]string, o.Pods)}
	var r Result
	r.Started, r.AllStarted, err = f.each(ctx, f.start)
	if err == nil {
		r.Ended, r.AllEnded, err = f.each(ctx, f.end)
	}
	if err != nil {
		return Result{}, errors.Join(err, f.cleanup(context.WithoutCancel(ctx)), removeCgroups())
	}
	return r, removeCgroups()
}

// cgroup is the parent of the pods' cgroups.
const cgroup = "/podling-floor"

type floor struct {
	Options
	runtime   internalapi.RuntimeService
	run       int64 // tells this run's pods from another's
	logs      string
	sandboxes []string // by pod; empty while there is none
}

func (f *floor) start(ctx context.Context, i int) error {
	name := fmt.Sprintf("floor-%d", i)
	sandbox := &cri.PodSandboxConfig{
		Metadata:     &cri.PodSandboxMetadata{Name: name, Namespace: "floor", Uid: fmt.Sprintf("%d-%d", f.run, i)},
		LogDirectory: f.logs,
		Hostname:     name,
		Linux:        &cri.LinuxPodSandboxConfig{CgroupParent: path.Join(cgroup, strconv.Itoa(i))}, // one of its own, as a node makes
	}
	id, err := f.runtime.RunPodSandbox(ctx, sandbox, "")
	if err != nil {
		return fmt.Errorf("sandbox %d: %w", i, err)
	}
	f.sandboxes[i] = id
	container, err := f.runtime.CreateContainer(ctx, id, &cri.ContainerConfig{
		Metadata: &cri.ContainerMetadata{Name: "main"},
		Image:    &cri.ImageSpec{Image: f.Image},
		Command:  []string{"sh", "-c", "trap 'exit 0' TERM; sleep 100000 & wait"},
		LogPath:  name + ".log",
		Linux:    &cri.LinuxContainerConfig{},
	}, sandbox)
	if err != nil {
		return fmt.Errorf("container %d: %w", i, err)
	}
	if err := f.runtime.StartContainer(ctx, container); err != nil {
		return fmt.Errorf("start of container %d: %w", i, err)
	}
	return nil
}

func (f *floor) end(ctx context.Context, i int) error {
	if err := f.runtime.StopPodSandbox(ctx, f.sandboxes[i]); err != nil {
		return fmt.Errorf("stop of sandbox %d: %w", i, err)
	}
	if err := f.runtime.RemovePodSandbox(ctx, f.sandboxes[i]); err != nil {
		return fmt.Errorf("removal of sandbox %d: %w", i, err)
	}
	f.sandboxes[i] = ""
	return nil
}

// cleanup ends what a failed run has left.
func (f *floor) cleanup(ctx context.Context) error {
	var errs []error
	for i, id := range f.sandboxes {
		if id != "" {
			errs = append(errs, f.end(ctx, i))
		}
	}
	return errors.Join(errs...)
}

// removeCgroups removes the pods' cgroups, which the runtime leaves to its caller:
// below one root with cgroup v2, below one of each controller with v1.
func removeCgroups() error {
	var errs []error
	for _, pattern := range []string{cgroup + "/*", "*" + cgroup + "/*", cgroup, "*" + cgroup} {
		found, err := filepath.Glob(filepath.Join("/sys/fs/cgroup", pattern))
		errs = append(errs, err)
		for _, dir := range found {
			if info, err := os.Lstat(dir); err == nil && info.IsDir() { // v2 has the cgroup's files beside them; v1 links a controller's second name
				errs = append(errs, os.Remove(dir))
			}
		}
	}
	return errors.Join(errs...)
}

// each does something for every pod, Parallel at once, and times each and all.
func (f *floor) each(ctx context.Context, do func(context.Context, int) error) ([]time.Duration, time.Duration, error) {
	took := make([]time.Duration, f.Pods)
	begin := time.Now()
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(f.Parallel)
	for i := range f.Pods {
		group.Go(func() error {
			t := time.Now()
			err := do(ctx, i)
			took[i] = time.Since(t)
			return err
		})
	}
	err := group.Wait()
	all := time.Since(begin)
	slices.Sort(took)
	return took, all, err
}
