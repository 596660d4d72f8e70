package eviction

import (
	"cmp"
	"slices"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/types"
	corev1helpers "k8s.io/component-helpers/scheduling/corev1"
	statsapi "k8s.io/kubelet/pkg/apis/stats/v1alpha1"
	v1resource "k8s.io/kubernetes/pkg/api/v1/resource"
	api "k8s.io/kubernetes/pkg/kubelet/eviction/api"
	volumeutil "k8s.io/kubernetes/pkg/volume/util"
)

// usage is what pods use; one that could not be measured is missing.
type usage map[types.UID]statsapi.PodStats

// parts of a pod's local storage.
type parts struct{ layers, logs, volumes bool }

// rank puts the pods that are to be evicted first in front: those that use more than they asked for,
// among them those of the lowest priority, among them those that are farthest above what they asked
// for. A pod that could not be measured comes before one that could. For process ids, priority comes
// first, for nobody can ask for those (upstream: rankMemoryPressure and its kin in helpers.go).
func rank(pods []*v1.Pod, used usage, t signal, imagesApart bool) {
	var above func(*v1.Pod, statsapi.PodStats) (asked, beyond int64)
	switch t.name {
	case api.SignalMemoryAvailable:
		above = aboveMemory
	case api.SignalPIDAvailable:
		above = func(_ *v1.Pod, s statsapi.PodStats) (int64, int64) { return 0, processes(s) }
	default:
		above = func(pod *v1.Pod, s statsapi.PodStats) (int64, int64) {
			return aboveDisk(pod, s, t.resource, partsOn(t.name, imagesApart))
		}
	}
	slices.SortStableFunc(pods, func(a, b *v1.Pod) int {
		sa, knownA := used[a.UID]
		sb, knownB := used[b.UID]
		priority := cmp.Compare(corev1helpers.PodPriority(a), corev1helpers.PodPriority(b))
		if !knownA || !knownB {
			if t.name == api.SignalPIDAvailable {
				return cmp.Or(priority, first(!knownA, !knownB))
			}
			return cmp.Or(first(!knownA, !knownB), priority)
		}
		exceedsA, beyondA := above(a, sa)
		exceedsB, beyondB := above(b, sb)
		return cmp.Or(first(exceedsA > 0, exceedsB > 0), priority, cmp.Compare(beyondB, beyondA))
	})
}

// first puts those of whom it is true before those of whom it is not.
func first(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}

// aboveMemory is how far the pod's working set is above its request.
func aboveMemory(pod *v1.Pod, s statsapi.PodStats) (exceeds, beyond int64) {
	working := memoryOf(s.Memory)
	request := v1resource.GetResourceRequestQuantity(pod, v1.ResourceMemory)
	beyond = working.Value() - request.Value()
	return beyond, beyond
}

func memoryOf(m *statsapi.MemoryStats) *resource.Quantity {
	if m == nil {
		return &resource.Quantity{Format: resource.BinarySI}
	}
	return figure(m.WorkingSetBytes, resource.BinarySI)
}

func processes(s statsapi.PodStats) int64 {
	if s.ProcessStats == nil || s.ProcessStats.ProcessCount == nil {
		return 0
	}
	return int64(*s.ProcessStats.ProcessCount)
}

// partsOn are the parts of pods' storage that are on the file system that the signal is of.
func partsOn(s api.Signal, imagesApart bool) parts {
	switch {
	case !imagesApart:
		return parts{layers: true, logs: true, volumes: true}
	case s == api.SignalImageFsAvailable || s == api.SignalImageFsInodesFree:
		return parts{layers: true}
	}
	return parts{logs: true, volumes: true}
}

// aboveDisk is how far the pod's bytes, or inodes, on a file system are above what it asked for.
// Nobody can ask for inodes: each one counts as too much. Yet upstream orders pods by their inodes
// less the bytes that they asked for, and so does this.
func aboveDisk(pod *v1.Pod, s statsapi.PodStats, of v1.ResourceName, on parts) (exceeds, beyond int64) {
	var sum int64
	add := func(fs *statsapi.FsStats) {
		switch {
		case fs == nil:
		case of == inodes:
			sum += figure(fs.InodesUsed, resource.DecimalSI).Value()
		default:
			sum += figure(fs.UsedBytes, resource.BinarySI).Value()
		}
	}
	for i := range s.Containers {
		if on.layers {
			add(s.Containers[i].Rootfs)
		}
		if on.logs {
			add(s.Containers[i].Logs)
		}
	}
	for i := range s.VolumeStats {
		if on.volumes && isLocal(pod, s.VolumeStats[i].Name) {
			add(&s.VolumeStats[i].FsStats)
		}
	}
	asked := v1resource.GetResourceRequestQuantity(pod, of)
	request := v1resource.GetResourceRequestQuantity(pod, v1.ResourceEphemeralStorage)
	return sum - asked.Value(), sum - request.Value()
}

// isLocal: the volume is on the node's own disk.
func isLocal(pod *v1.Pod, name string) bool {
	return slices.ContainsFunc(pod.Spec.Volumes, func(v v1.Volume) bool {
		return v.Name == name && (v.HostPath != nil || volumeutil.IsLocalEphemeralVolume(v))
	})
}
