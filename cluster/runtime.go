package cluster

import (
	"context"
	"errors"
	"fmt"
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

// startRuntime starts a containerd of our own, with pods on that network, or connects to the runtime that is named.
func startRuntime(ctx context.Context, o Options, dir string, network containerd.Network, step Step) (*containerRuntime, error) {
	r := &containerRuntime{}
	endpoint := o.CRI
	if endpoint == "" {
		var err error
		r.daemon, err = containerd.Start(ctx, containerd.Config{
			Dir:     containerdDir(dir),
			Network: network,
			Mirrors: o.mirrors(),
			Images:  o.Images,
			Step:    step,
			Lacks:   o.lacks,
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

// holds says whether there are pods in it: this cluster's own or, in a runtime that is not ours, others'.
func (r *containerRuntime) holds(ctx context.Context) (bool, error) {
	pods, err := r.cri.ListPodSandbox(ctx, nil)
	if err != nil {
		return true, fmt.Errorf("whether pods are left: %w", err)
	}
	return len(pods) > 0, nil
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
		return errors.Join(append(errs, r.daemon.RemoveAll(ctx))...)
	}
	ctx, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	return errors.Join(append(errs, r.daemon.Stop(ctx))...)
}
