package eviction

import (
	"context"
	"fmt"
	"slices"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/types"
	resourcehelper "k8s.io/component-helpers/resource"
	"k8s.io/klog/v2"
	statsapi "k8s.io/kubelet/pkg/apis/stats/v1alpha1"
	kubetypes "k8s.io/kubernetes/pkg/kubelet/types"

	"github.com/podling/podling/lifecycle"
)

// limitsPart bounds the time that goes into measuring what pods use to one part in so many, and
// limitsLatest the wait that comes of it (upstream's monitoring period).
const (
	limitsPart   = 20
	limitsLatest = 10 * time.Second
)

// enforceLimits evicts the pods that exceed their limits on local storage.
func (m *Manager) enforceLimits(ctx context.Context, imagesApart bool) (evicted []types.UID) {
	began := m.node.Clock.Now()
	if began.Before(m.limitsDue) {
		return nil
	}
	var pods []*v1.Pod
	for _, pod := range m.node.Pods() {
		if limited(pod) && !kubetypes.IsCriticalPod(pod) && m.leaving[pod.UID] == nil && !starting(pod, began) {
			pods = append(pods, pod)
		}
	}
	if len(pods) == 0 {
		return nil
	}
	used, err := m.node.Usage(ctx, pods)
	if err != nil {
		klog.FromContext(ctx).V(1).Info("Some pods cannot be held to their limits on local storage now", "err", err)
	}
	for _, pod := range pods {
		s, known := used[pod.UID]
		if !known {
			continue
		}
		if message := excess(pod, s, imagesApart); message != "" {
			m.evict(pod, lifecycle.Eviction{Message: message}, nil, immediate)
			evicted = append(evicted, pod.UID)
		}
	}
	took := m.node.Clock.Since(began)
	m.limitsDue = m.node.Clock.Now().Add(min(limitsPart*took, limitsLatest))
	return evicted
}

// limited: the pod may use only so much of the node's disks.
func limited(pod *v1.Pod) bool {
	for _, v := range pod.Spec.Volumes {
		if sizeLimit(v) != nil {
			return true
		}
	}
	limits := resourcehelper.PodLimits(pod, resourcehelper.PodResourcesOptions{})
	_, found := limits[v1.ResourceEphemeralStorage]
	return found
}

// sizeLimit is how large a volume of the pod's own may become; nil if it is another kind of volume, or
// has no limit.
func sizeLimit(v v1.Volume) *resource.Quantity {
	if v.EmptyDir == nil || v.EmptyDir.SizeLimit == nil || v.EmptyDir.SizeLimit.Sign() <= 0 {
		return nil
	}
	return v.EmptyDir.SizeLimit
}

// starting: containers of the pod are being started. They are let come up first, so that everybody
// sees them run, for as long as upstream would not have looked at the pod either.
func starting(pod *v1.Pod, now time.Time) bool {
	if pod.Status.StartTime == nil || now.Sub(pod.Status.StartTime.Time) > limitsLatest {
		return false
	}
	return slices.ContainsFunc(pod.Status.ContainerStatuses, func(c v1.ContainerStatus) bool {
		return c.State.Waiting != nil && c.State.Waiting.Reason == "ContainerCreating"
	})
}

// excess says which of its limits on local storage the pod exceeds; "" if none. With imagesApart what
// its containers write into their own file systems is not on the node's disk and does not count
// against a container's limit (upstream: localStorageEviction in eviction_manager.go; KEP-361).
func excess(pod *v1.Pod, used statsapi.PodStats, imagesApart bool) string {
	volumes := map[string]*resource.Quantity{}
	for i := range used.VolumeStats {
		volumes[used.VolumeStats[i].Name] = bytes(&used.VolumeStats[i].FsStats)
	}
	for _, v := range pod.Spec.Volumes {
		if limit, size := sizeLimit(v), volumes[v.Name]; limit != nil && size != nil && size.Cmp(*limit) > 0 {
			return fmt.Sprintf("Usage of EmptyDir volume %q exceeds the limit %q. ", v.Name, limit.String())
		}
	}
	limits := resourcehelper.PodLimits(pod, resourcehelper.PodResourcesOptions{})
	if limit, found := limits[v1.ResourceEphemeralStorage]; found && bytes(used.EphemeralStorage).Cmp(limit) > 0 {
		return fmt.Sprintf("Pod ephemeral local storage usage exceeds the total limit of containers %s. ", limit.String())
	}
	for _, c := range used.Containers {
		size := bytes(c.Logs)
		if !imagesApart {
			size.Add(*bytes(c.Rootfs))
		}
		if limit := containerLimit(pod, c.Name); !limit.IsZero() && size.Cmp(*limit) > 0 {
			return fmt.Sprintf("Container %s exceeded its local ephemeral storage limit %q. ", c.Name, limit.String())
		}
	}
	return ""
}

// containerLimit is how much a main container may write; zero is as much as it likes.
func containerLimit(pod *v1.Pod, name string) *resource.Quantity {
	for i := range pod.Spec.Containers {
		if c := &pod.Spec.Containers[i]; c.Name == name {
			return c.Resources.Limits.StorageEphemeral()
		}
	}
	return &resource.Quantity{}
}

// bytes is what is used of a file system; zero if that is not known.
func bytes(s *statsapi.FsStats) *resource.Quantity {
	if s == nil {
		return &resource.Quantity{Format: resource.BinarySI}
	}
	return figure(s.UsedBytes, resource.BinarySI)
}

// figure is n, or zero if that is not known.
func figure(n *uint64, format resource.Format) *resource.Quantity {
	if n == nil {
		return &resource.Quantity{Format: format}
	}
	return resource.NewQuantity(int64(*n), format)
}
