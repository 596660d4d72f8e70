package cluster

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	internalapi "k8s.io/cri-api/pkg/apis"
	kubetypes "k8s.io/kubernetes/pkg/kubelet/types"

	"github.com/podling/podling/kubelet/static"
	"github.com/podling/podling/runtime/containerd"
	"github.com/podling/podling/runtime/cri"
)

// containerRuntime is what runs the node's containers, reached through the CRI.
type containerRuntime struct {
	cri    *cri.Runtime
	daemon *containerd.Daemon // nil where the runtime is not ours
	own    sets.Set[string]   // in a runtime that is not ours, the UIDs of the pods that are
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

// service is what the node runs containers with.
func (r *containerRuntime) service() internalapi.RuntimeService {
	if r.daemon == nil {
		return r.cri
	}
	return r.daemon.Remembering(r.cri)
}

// noteOwn remembers which pods are this cluster's, while its API can still tell: a runtime that is
// not ours may run others, which are not ours to remove.
func (r *containerRuntime) noteOwn(ctx context.Context, admin *rest.Config) error {
	if r.daemon != nil {
		return nil
	}
	client, err := kubernetes.NewForConfig(admin)
	if err != nil {
		return fmt.Errorf("client: %w", err)
	}
	pods, err := client.CoreV1().Pods(metav1.NamespaceAll).List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("which pods are to be removed: %w", err)
	}
	r.own = sets.New[string]()
	for _, pod := range pods.Items {
		r.own.Insert(string(pod.UID))
		if kubetypes.IsMirrorPod(&pod) {
			r.own.Insert(string(static.Of(&pod)))
		}
	}
	return nil
}

// removeOwn ends and removes this cluster's pods in a runtime that is not ours.
func (r *containerRuntime) removeOwn(ctx context.Context) error {
	sandboxes, err := r.cri.ListPodSandbox(ctx, nil)
	if err != nil {
		return fmt.Errorf("which pods are to be removed: %w", err)
	}
	var errs []error
	for _, sandbox := range sandboxes {
		if !r.own.Has(sandbox.GetMetadata().GetUid()) {
			continue
		}
		if err := errors.Join(r.cri.StopPodSandbox(ctx, sandbox.Id), r.cri.RemovePodSandbox(ctx, sandbox.Id)); err != nil {
			errs = append(errs, fmt.Errorf("remove pod %s: %w", sandbox.GetMetadata().GetName(), err))
		}
	}
	return errors.Join(errs...)
}

// stop ends it. Containers go on running, unless they are to be removed.
func (r *containerRuntime) stop(ctx context.Context, remove bool) error {
	var errs []error
	if r.cri != nil {
		if remove && r.daemon == nil {
			errs = append(errs, r.removeOwn(ctx))
		}
		errs = append(errs, r.cri.Close(ctx))
	}
	if r.daemon == nil {
		return errors.Join(errs...)
	}
	if remove {
		errs = append(errs, r.daemon.RemoveAll(ctx))
	}
	return errors.Join(append(errs, r.daemon.Stop(ctx))...)
}
