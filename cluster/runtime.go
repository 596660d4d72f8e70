package cluster

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"github.com/podling/podling/runtime/containerd"
	"github.com/podling/podling/runtime/cri"
)

// containerRuntime is what runs the node's containers, reached through the CRI.
type containerRuntime struct {
	cri    *cri.Runtime
	daemon *containerd.Daemon // nil where the runtime is not ours
}

// startRuntime starts a containerd of our own, or connects to the runtime that is named.
func startRuntime(ctx context.Context, o Options, dir string, step Step) (*containerRuntime, error) {
	r := &containerRuntime{}
	endpoint := o.CRI
	if endpoint == "" {
		var err error
		r.daemon, err = containerd.Start(ctx, containerd.Config{
			Dir:     filepath.Join(dir, "containerd"),
			Mirrors: o.mirrors(),
			Images:  o.Images,
			Step:    step,
		})
		if err != nil {
			return nil, err
		}
		endpoint = r.daemon.Endpoint()
	}
	began := time.Now()
	var err error
	if r.cri, err = cri.Connect(ctx, endpoint); err != nil {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		defer cancel()
		return nil, errors.Join(err, r.stop(ctx, o.Ephemeral))
	}
	if o.CRI != "" {
		step("container runtime", time.Since(began))
	}
	return r, nil
}

// stop ends it. Containers go on running, unless they are to be removed.
func (r *containerRuntime) stop(ctx context.Context, remove bool) error {
	var errs []error
	if r.cri != nil {
		errs = append(errs, r.cri.Close(ctx))
	}
	if r.daemon == nil {
		return errors.Join(errs...)
	}
	if remove {
		errs = append(errs, r.daemon.RemoveAll(ctx))
	}
	errs = append(errs, r.daemon.Stop(ctx))
	return errors.Join(errs...)
}
