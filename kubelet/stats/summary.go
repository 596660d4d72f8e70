package stats

import (
	"context"
	"fmt"
	"slices"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
	statsapi "k8s.io/kubelet/pkg/apis/stats/v1alpha1"
)

// Summary makes upstream's summary of a node (k8s.io/kubernetes/pkg/kubelet/server/stats) of what the
// machine and the runtime say at the time of the call.
type Summary struct {
	Node  string
	Since time.Time // when the node began
	Meter *Meter
	Places
	Active func() []*v1.Pod
}

// GetCPUAndMemoryStats is the summary without disks, which cost a walk.
func (s Summary) GetCPUAndMemoryStats(ctx context.Context) (*statsapi.Summary, error) {
	out, _, err := s.summary(ctx, s.Active())
	return out, err
}

// Get is the whole summary. It is always of now, whether update says so or not.
func (s Summary) Get(ctx context.Context, _ bool) (*statsapi.Summary, error) {
	pods := s.Active()
	out, machine, err := s.summary(ctx, pods)
	if err != nil {
		return nil, err
	}
	out.Node.Fs, out.Node.Rlimit = machine.Fs, machine.Rlimit
	out.Node.Runtime = &statsapi.RuntimeStats{ImageFs: machine.Images, ContainerFs: machine.Images}
	stored, err := s.Pods(ctx, pods)
	if err != nil {
		return nil, err
	}
	for i := range out.Pods {
		of := &out.Pods[i]
		disk := stored[types.UID(of.PodRef.UID)]
		of.VolumeStats, of.EphemeralStorage = disk.VolumeStats, disk.EphemeralStorage
		for _, c := range disk.Containers {
			if j := slices.IndexFunc(of.Containers, func(o statsapi.ContainerStats) bool { return o.Name == c.Name }); j >= 0 {
				of.Containers[j].Rootfs, of.Containers[j].Logs = c.Rootfs, c.Logs
			}
		}
	}
	return out, nil
}

// summary is that of the pods, without disks, and what else the machine says.
func (s Summary) summary(ctx context.Context, pods []*v1.Pod) (*statsapi.Summary, Machine, error) {
	machine, err := s.Meter.Machine(ctx)
	if err != nil {
		return nil, Machine{}, err
	}
	cpu, err := machineCPU()
	if err != nil {
		return nil, Machine{}, err
	}
	uses, err := s.uses(ctx, pods)
	if err != nil {
		return nil, Machine{}, err
	}
	out := &statsapi.Summary{Node: statsapi.NodeStats{NodeName: s.Node, StartTime: metav1.NewTime(s.Since), CPU: cpu, Memory: machine.Memory}}
	for _, pod := range pods {
		if use := uses[pod.UID]; use != nil {
			of := statsapi.PodStats{PodRef: refer(pod), StartTime: pod.CreationTimestamp}
			add(&of, pod, use)
			out.Pods = append(out.Pods, of)
		}
	}
	return out, machine, nil
}

// uses are what the runtime says of the pods that have a sandbox. One that it cannot measure, for it
// is just coming or going, is left out.
func (s Summary) uses(ctx context.Context, pods []*v1.Pod) (map[types.UID]*runtimeapi.PodSandboxStats, error) {
	out := map[types.UID]*runtimeapi.PodSandboxStats{}
	note := func(list []*runtimeapi.PodSandboxStats) {
		for _, one := range list {
			out[types.UID(one.GetAttributes().GetMetadata().GetUid())] = one
		}
	}
	list, whole := s.Runtime.ListPodSandboxStats(ctx, &runtimeapi.PodSandboxStatsFilter{})
	if whole == nil {
		note(list)
		return out, nil
	}
	for _, pod := range pods { // containerd gives none if it fails for one
		one, err := s.Runtime.ListPodSandboxStats(ctx, &runtimeapi.PodSandboxStatsFilter{LabelSelector: map[string]string{s.PodUID: string(pod.UID)}})
		if err == nil {
			note(one)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("what the pods use: %w", whole)
	}
	return out, nil
}
