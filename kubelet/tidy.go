package kubelet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
	"k8s.io/klog/v2"

	"github.com/podling/podling/clock"
	"github.com/podling/podling/kubelet/image"
	"github.com/podling/podling/kubelet/stats"
	"github.com/podling/podling/kubelet/worker"
)

// tidyEvery is upstream's ContainerGCPeriod. What a pod leaves behind in the ordinary way its worker takes
// away; this is for what nobody would come back to.
const tidyEvery = time.Minute

// tidy removes what is left of pods, again and again until ctx ends: sandboxes that others have taken the
// place of, and logs of pods that nobody knows (upstream: evictSandboxes and evictPodLogsDirectories in
// pkg/kubelet/kuberuntime/kuberuntime_gc.go. Dead containers go when the next of them is made).
func (d *desk) tidy(ctx context.Context) {
	for clock.Wait(ctx, d.shared.Clock, tidyEvery) {
		if err := errors.Join(d.removeSuperseded(ctx), d.removeLogs()); err != nil && ctx.Err() == nil {
			klog.FromContext(ctx).Error(err, "Something is left of pods or of their earlier sandboxes; it is tried again")
		}
	}
}

// removeSuperseded removes dead sandboxes of the node's pods that are empty and not the pod's newest.
func (d *desk) removeSuperseded(ctx context.Context) error {
	sandboxes, containers, err := d.list(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, s := range superseded(sandboxes, containers) {
		if !d.knows(types.UID(s.GetLabels()[worker.LabelPodUID])) {
			continue // it is no pod's of this node, or is being taken down as a whole
		}
		if err := d.shared.Runtime.RemovePodSandbox(ctx, s.GetId()); err != nil {
			errs = append(errs, fmt.Errorf("removing sandbox %s: %w", s.GetId(), err))
		}
	}
	return errors.Join(errs...)
}

// superseded are the dead sandboxes that have no container and are not the newest of their pods.
func superseded(sandboxes []*runtimeapi.PodSandbox, containers []*runtimeapi.Container) []*runtimeapi.PodSandbox {
	newest := map[string]*runtimeapi.PodSandbox{}
	for _, s := range sandboxes {
		uid := s.GetLabels()[worker.LabelPodUID]
		if other := newest[uid]; other == nil || s.GetCreatedAt() > other.GetCreatedAt() {
			newest[uid] = s
		}
	}
	has := map[string]bool{}
	for _, c := range containers {
		has[c.GetPodSandboxId()] = true
	}
	return slices.DeleteFunc(slices.Clone(sandboxes), func(s *runtimeapi.PodSandbox) bool {
		return s.GetState() == runtimeapi.PodSandboxState_SANDBOX_READY || has[s.GetId()] || newest[s.GetLabels()[worker.LabelPodUID]] == s
	})
}

// removeLogs removes the logs of pods that nobody knows: the node ended while it was removing them.
func (d *desk) removeLogs() error {
	entries, err := os.ReadDir(d.shared.LogDir)
	if err != nil {
		return fmt.Errorf("looking for logs of pods that are gone: %w", err)
	}
	var errs []error
	for _, e := range entries {
		// NAMESPACE_NAME_UID; none of them has an underscore. Links are not followed, and not removed.
		words := strings.Split(e.Name(), "_")
		if !e.IsDir() || len(words) != 3 || d.knows(types.UID(words[2])) {
			continue
		}
		if err := os.RemoveAll(filepath.Join(d.shared.LogDir, e.Name())); err != nil {
			errs = append(errs, fmt.Errorf("removing the logs of a pod that is gone: %w", err))
		}
	}
	return errors.Join(errs...)
}

// knows says whether something of the pod may still be wanted. Before it is known which pods there are,
// that may be so of any.
func (d *desk) knows(uid types.UID) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return !d.listed || !d.compared || d.workers[uid] != nil || d.over[uid]
}

// imagesDisk is what there is to say to those who collect images of the disk that these are on.
func imagesDisk(meter *stats.Meter) func(context.Context) (image.Disk, error) {
	return func(ctx context.Context) (image.Disk, error) {
		m, err := meter.Machine(ctx)
		if err != nil {
			return image.Disk{}, err
		}
		if m.Images == nil || m.Images.CapacityBytes == nil || m.Images.AvailableBytes == nil {
			return image.Disk{}, errors.New("the runtime does not say where its images are, or they cannot be seen from here")
		}
		return image.Disk{Capacity: *m.Images.CapacityBytes, Available: *m.Images.AvailableBytes}, nil
	}
}
