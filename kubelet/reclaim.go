package kubelet

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/types"

	"github.com/podling/podling/kubelet/worker"
)

// reclaim frees disk without harm to a pod: the containers of pods that are over
// and images that nobody uses go.
func (k *Kubelet) reclaim(ctx context.Context) error {
	return errors.Join(k.desk.removeDead(ctx), k.shared.Images.Prune(ctx, k.shared.Runtime))
}

// removeDead removes what the runtime still has of pods that are over. Their
// records, and their logs, stay until they are deleted. (Of a pod that runs the
// last container that ended stays too: what its status says of it is read there.)
func (d *desk) removeDead(ctx context.Context) error {
	sandboxes, err := d.shared.Runtime.ListPodSandbox(ctx, nil)
	if err != nil {
		return fmt.Errorf("listing sandboxes: %w", err)
	}
	var errs []error
	for _, s := range sandboxes {
		if !d.cleaned(types.UID(s.Labels[worker.LabelPodUID])) {
			continue
		}
		if err := d.shared.Runtime.RemovePodSandbox(ctx, s.Id); err != nil {
			errs = append(errs, fmt.Errorf("removing sandbox %s: %w", s.Id, err))
		}
	}
	return errors.Join(errs...)
}

// cleaned: the pod is over and nothing of it is left but its record and its dead
// containers.
func (d *desk) cleaned(uid types.UID) bool {
	d.mu.Lock()
	w := d.workers[uid]
	d.mu.Unlock()
	if w == nil {
		return false
	}
	select {
	case <-w.Cleaned():
		return true
	default:
		return false
	}
}
