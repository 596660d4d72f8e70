package eviction

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	statsapi "k8s.io/kubelet/pkg/apis/stats/v1alpha1"

	"github.com/podling/podling/kubelet/stats"
)

// world is a node at random: what it has, what its pods use, and when it is short.
type world struct {
	lot    *rand.Rand
	config Config
	apart  bool // images on a file system of their own
	pods   []*v1.Pod
	used   map[types.UID]statsapi.PodStats
	n      int

	free [4]uint64 // parts of 100 that are free: memory, the node's disk, the images', process ids
	gain uint64    // what is reclaimed of the disks, in parts of 100
}

// newWorld has a threshold for memory and one for something else at most: upstream sees to others in
// any order.
func newWorld(lot *rand.Rand) *world {
	w := &world{lot: lot, apart: lot.IntN(2) == 0, used: map[types.UID]statsapi.PodStats{}}
	w.config = Config{Hard: map[string]string{}, Soft: map[string]string{}, SoftGrace: map[string]string{}, MinimumReclaim: map[string]string{},
		Transition: time.Duration(1+lot.IntN(300)) * time.Second, MaxPodGrace: int64(lot.IntN(90))}
	for _, s := range []signal{signals[0], signals[1+lot.IntN(len(signals)-1)]} {
		name := string(s.name)
		if lot.IntN(3) == 0 {
			w.config.Soft[name], w.config.SoftGrace[name] = fmt.Sprintf("%d%%", 1+lot.IntN(60)), fmt.Sprintf("%ds", lot.IntN(150))
		} else {
			w.config.Hard[name] = fmt.Sprintf("%d%%", 1+lot.IntN(60))
		}
		if lot.IntN(2) == 0 {
			w.config.MinimumReclaim[name] = fmt.Sprintf("%d%%", 1+lot.IntN(30))
		}
	}
	return w
}

// change lets time go by.
func (w *world) change() {
	for i := range w.free {
		w.free[i] = uint64(10 + w.lot.IntN(90))
	}
	w.gain = uint64(w.lot.IntN(50))
	for range w.lot.IntN(4) {
		w.pods = append(w.pods, w.pod())
	}
	w.used = map[types.UID]statsapi.PodStats{}
	for i, pod := range w.pods {
		if i > 0 || w.lot.IntN(10) > 0 { // one that could not be measured
			w.used[pod.UID] = w.usage(pod)
		}
	}
}

func (w *world) pod() *v1.Pod {
	w.n++
	name := fmt.Sprint("pod", w.n)
	pod := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "ns", UID: types.UID(name), Generation: int64(w.n)}}
	priorities := []int32{0, 0, 5, 2000000000}
	pod.Spec.Priority = &priorities[w.lot.IntN(len(priorities))]
	if w.lot.IntN(2) == 0 {
		grace := int64(w.lot.IntN(120))
		pod.Spec.TerminationGracePeriodSeconds = &grace
	}
	if w.lot.IntN(20) == 0 {
		pod.Annotations = map[string]string{"kubernetes.io/config.source": "file"}
	}
	if w.lot.IntN(4) == 0 {
		pod.Spec.Tolerations = []v1.Toleration{{Key: v1.TaintNodeMemoryPressure, Operator: v1.TolerationOpExists, Effect: v1.TaintEffectNoSchedule}}
	}
	for i := range 1 + w.lot.IntN(2) {
		pod.Spec.Containers = append(pod.Spec.Containers, v1.Container{Name: fmt.Sprint("c", i), Resources: w.resources()})
	}
	if w.lot.IntN(3) == 0 {
		pod.Spec.InitContainers = []v1.Container{{Name: "init", Resources: w.resources()}}
	}
	if w.lot.IntN(4) == 0 {
		r := w.resources()
		pod.Spec.Resources = &r
		delete(r.Requests, v1.ResourceEphemeralStorage) // a pod as a whole cannot ask for it
		delete(r.Limits, v1.ResourceEphemeralStorage)
	}
	limit := resource.MustParse("900Mi")
	pod.Spec.Volumes = []v1.Volume{
		{Name: "scratch", VolumeSource: v1.VolumeSource{EmptyDir: &v1.EmptyDirVolumeSource{SizeLimit: &limit}}},
		{Name: "memory", VolumeSource: v1.VolumeSource{EmptyDir: &v1.EmptyDirVolumeSource{Medium: v1.StorageMediumMemory}}},
	}
	return pod
}

func (w *world) resources() v1.ResourceRequirements {
	r := v1.ResourceRequirements{Requests: v1.ResourceList{}, Limits: v1.ResourceList{}}
	if w.lot.IntN(2) == 0 {
		r.Requests[v1.ResourceMemory] = resource.MustParse(fmt.Sprint(1+w.lot.IntN(1000), "Mi"))
	}
	if w.lot.IntN(2) == 0 {
		r.Requests[v1.ResourceEphemeralStorage] = resource.MustParse(fmt.Sprint(1+w.lot.IntN(1000), "Mi"))
	}
	if w.lot.IntN(8) == 0 {
		r.Limits[v1.ResourceEphemeralStorage] = resource.MustParse("700Mi")
	}
	return r
}

func (w *world) usage(pod *v1.Pod) statsapi.PodStats {
	s := statsapi.PodStats{PodRef: statsapi.PodReference{Name: pod.Name, UID: string(pod.UID)}}
	if w.lot.IntN(10) > 0 {
		s.Memory = &statsapi.MemoryStats{WorkingSetBytes: w.some()}
	}
	processes := uint64(w.lot.IntN(1 << 30))
	s.ProcessStats = &statsapi.ProcessStats{ProcessCount: &processes}
	for _, c := range slices.Concat(pod.Spec.Containers, pod.Spec.InitContainers, []v1.Container{{Name: "ephemeral"}}) {
		s.Containers = append(s.Containers, statsapi.ContainerStats{Name: c.Name,
			Memory: &statsapi.MemoryStats{WorkingSetBytes: w.some()},
			Rootfs: &statsapi.FsStats{UsedBytes: w.some(), InodesUsed: w.some()},
			Logs:   &statsapi.FsStats{UsedBytes: w.some(), InodesUsed: w.some()},
		})
	}
	for _, v := range pod.Spec.Volumes {
		s.VolumeStats = append(s.VolumeStats, statsapi.VolumeStats{Name: v.Name, FsStats: statsapi.FsStats{UsedBytes: w.some(), InodesUsed: w.some()}})
	}
	s.EphemeralStorage = &statsapi.FsStats{UsedBytes: w.some()}
	return s
}

// some is up to a GiB.
func (w *world) some() *uint64 {
	n := uint64(w.lot.IntN(1 << 30))
	return &n
}

// machine is what is free, with what was reclaimed or without.
func (w *world) machine(reclaimed bool) stats.Machine {
	var gain uint64
	if reclaimed {
		gain = w.gain
	}
	disk := func(free uint64) *statsapi.FsStats {
		free = min(free+gain, 100)
		bytes, all, inodes, allInodes := free<<30, uint64(100<<30), free*1000, uint64(100*1000)
		return &statsapi.FsStats{AvailableBytes: &bytes, CapacityBytes: &all, InodesFree: &inodes, Inodes: &allInodes}
	}
	available, working := w.free[0]<<30, (100-w.free[0])<<30
	maxPID, running := int64(100000), int64(100000-w.free[3]*1000)
	return stats.Machine{
		Memory: &statsapi.MemoryStats{AvailableBytes: &available, WorkingSetBytes: &working},
		Fs:     disk(w.free[1]), Images: disk(w.free[2]), ImagesApart: w.apart,
		Rlimit: &statsapi.RlimitStats{MaxPID: &maxPID, NumOfRunningProcesses: &running},
	}
}

// newcomers are pods that somebody would like to have on the node.
func (w *world) newcomers() []*v1.Pod { return []*v1.Pod{w.pod(), w.pod(), w.pod()} }

func (w *world) remove(pods []types.UID) {
	w.pods = slices.DeleteFunc(w.pods, func(p *v1.Pod) bool { return slices.Contains(pods, p.UID) })
}

// String is for when something goes wrong.
func (w *world) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%+v, images apart %v, free %v, gain %d, at %v", w.config, w.apart, w.free, w.gain, time.Now())
	for _, uid := range slices.Sorted(maps.Keys(w.used)) {
		fmt.Fprintf(&b, "\n%s memory %v", uid, memoryOf(w.used[uid].Memory))
	}
	return b.String()
}
