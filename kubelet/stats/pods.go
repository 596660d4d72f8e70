package stats

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	internalapi "k8s.io/cri-api/pkg/apis"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
	statsapi "k8s.io/kubelet/pkg/apis/stats/v1alpha1"
	volumeutil "k8s.io/kubernetes/pkg/volume/util"
	volumefs "k8s.io/kubernetes/pkg/volume/util/fs"
)

// Places say where what belongs to a pod is.
type Places struct {
	Runtime internalapi.RuntimeService
	// PodUID is the label of a container that names its pod.
	PodUID string
	// Logs is the folder of a pod's logs, with a folder for each container in it.
	Logs func(pod *v1.Pod) string
	// Hosts is the pod's hosts file, which need not be there.
	Hosts func(pod *v1.Pod) string
	// Volumes are the folders of the pod's volumes that the node itself keeps, by the volumes' names.
	Volumes func(uid types.UID) (map[string]string, error)
	// Memory is the working set of the pod's cgroup in bytes, Processes what runs in it.
	Memory, Processes func(uid types.UID) (uint64, error)
}

// Pods measures the pods. A pod that cannot be measured is left out, and the error says why; the
// others are given all the same.
func (p Places) Pods(ctx context.Context, pods []*v1.Pod) (map[types.UID]statsapi.PodStats, error) {
	out := map[types.UID]statsapi.PodStats{}
	var errs []error
	for _, pod := range pods {
		s, err := p.pod(ctx, pod)
		if err != nil {
			errs = append(errs, fmt.Errorf("what pod %s/%s uses: %w", pod.Namespace, pod.Name, err))
			continue
		}
		out[pod.UID] = s
	}
	return out, errors.Join(errs...)
}

func (p Places) pod(ctx context.Context, pod *v1.Pod) (statsapi.PodStats, error) {
	now := metav1.NewTime(time.Now())
	s := statsapi.PodStats{PodRef: refer(pod), StartTime: pod.CreationTimestamp}
	containers, err := p.Runtime.ListContainerStats(ctx, &runtimeapi.ContainerStatsFilter{LabelSelector: map[string]string{p.PodUID: string(pod.UID)}})
	if err != nil {
		return s, err
	}
	if used, err := p.Memory(pod.UID); err == nil {
		s.Memory = &statsapi.MemoryStats{Time: now, WorkingSetBytes: &used}
	} else if !errors.Is(err, fs.ErrNotExist) { // not yet made, or gone already
		return s, err
	}
	if n, err := p.Processes(pod.UID); err == nil {
		s.ProcessStats = &statsapi.ProcessStats{ProcessCount: &n}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return s, err
	}
	var sum usage
	for _, c := range containers {
		logs, err := files(filepath.Join(p.Logs(pod), c.GetAttributes().GetMetadata().GetName()))
		if err != nil {
			return s, err
		}
		layer := usage{bytes: c.GetWritableLayer().GetUsedBytes().GetValue(), inodes: c.GetWritableLayer().GetInodesUsed().GetValue()}
		sum = sum.plus(logs).plus(layer)
		one := statsapi.ContainerStats{Name: c.GetAttributes().GetMetadata().GetName(), Rootfs: layer.stats(now), Logs: logs.stats(now)}
		if m := c.GetMemory(); m != nil {
			working := m.GetWorkingSetBytes().GetValue()
			one.Memory = &statsapi.MemoryStats{Time: metav1.NewTime(time.Unix(0, m.Timestamp)), WorkingSetBytes: &working}
		}
		s.Containers = append(s.Containers, one)
	}
	if err := p.volumes(pod, &s, &sum, now); err != nil {
		return s, err
	}
	for _, more := range []func() (usage, error){
		func() (usage, error) { return files(p.Logs(pod)) },
		func() (usage, error) { return walk(p.Hosts(pod)) },
	} {
		u, err := more()
		if err != nil {
			return s, err
		}
		sum = sum.plus(u)
	}
	s.EphemeralStorage = sum.stats(now)
	return s, nil
}

// volumes measures the pod's volumes, and adds to sum what the local ones of them use.
func (p Places) volumes(pod *v1.Pod, s *statsapi.PodStats, sum *usage, now metav1.Time) error {
	folders, err := p.Volumes(pod.UID)
	if err != nil {
		return err
	}
	for _, v := range pod.Spec.Volumes {
		folder, ok := folders[v.Name]
		if !ok {
			continue
		}
		u, err := walk(folder)
		if err != nil {
			return err
		}
		s.VolumeStats = append(s.VolumeStats, statsapi.VolumeStats{Name: v.Name, FsStats: *u.stats(now)})
		if volumeutil.IsLocalEphemeralVolume(v) {
			*sum = sum.plus(u)
		}
	}
	return nil
}

// usage is what something takes of a file system.
type usage struct{ bytes, inodes uint64 }

func (u usage) plus(v usage) usage { return usage{u.bytes + v.bytes, u.inodes + v.inodes} }

func (u usage) stats(now metav1.Time) *statsapi.FsStats {
	return &statsapi.FsStats{Time: now, UsedBytes: &u.bytes, InodesUsed: &u.inodes}
}

// walk adds up what is at a path and below it, on the same file system. What is not there takes
// nothing.
func walk(path string) (usage, error) {
	u, err := volumefs.DiskUsage(path)
	if errors.Is(err, fs.ErrNotExist) {
		return usage{}, nil
	}
	return usage{uint64(u.Bytes), uint64(u.Inodes)}, err
}

// files adds up the files in a folder, not those in folders below it.
func files(folder string) (usage, error) {
	entries, err := os.ReadDir(folder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return usage{}, err
	}
	var sum usage
	for _, e := range entries {
		if e.IsDir() {
			continue
		}
		u, err := walk(filepath.Join(folder, e.Name()))
		if err != nil {
			return usage{}, err
		}
		sum = sum.plus(u)
	}
	return sum, nil
}
