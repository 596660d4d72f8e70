package sim

import (
	"context"
	"time"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// stats is what a container uses, as its script says. Called with r.mu held.
func (c *container) stats(now int64) *runtimeapi.ContainerStats {
	out := &runtimeapi.ContainerStats{
		Attributes: &runtimeapi.ContainerAttributes{Id: c.id, Metadata: c.config.GetMetadata(), Labels: c.config.GetLabels(), Annotations: c.config.GetAnnotations()},
		WritableLayer: &runtimeapi.FilesystemUsage{Timestamp: now, FsId: &runtimeapi.FilesystemIdentifier{Mountpoint: "/"},
			UsedBytes: &runtimeapi.UInt64Value{}, InodesUsed: &runtimeapi.UInt64Value{}},
	}
	if c.state != runtimeapi.ContainerState_CONTAINER_RUNNING {
		return out
	}
	cores, memory := c.usage()
	ran := time.Duration(now - c.startedAt)
	out.Cpu = &runtimeapi.CpuUsage{Timestamp: now, UsageCoreNanoSeconds: &runtimeapi.UInt64Value{Value: uint64(float64(ran) * cores)},
		UsageNanoCores: &runtimeapi.UInt64Value{Value: uint64(cores * 1e9)}}
	value := func() *runtimeapi.UInt64Value { return &runtimeapi.UInt64Value{Value: memory} }
	out.Memory = &runtimeapi.MemoryUsage{Timestamp: now, WorkingSetBytes: value(), UsageBytes: value(), RssBytes: value()}
	return out
}

// usage is a container's, in cores and bytes; what nobody said is that of a program that waits.
func (c *container) usage() (cores float64, memory uint64) {
	memory = 1 << 20
	if u := c.run.Usage; u != nil {
		if u.CPU != nil {
			cores = u.CPU.AsApproximateFloat64()
		}
		if u.Memory != nil {
			memory = uint64(u.Memory.Value())
		}
	}
	return cores, memory
}

// ContainerStats is the CRI's.
func (r *Runtime) ContainerStats(_ context.Context, id string) (*runtimeapi.ContainerStats, error) {
	now := r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	c, err := r.findContainer(id)
	if err != nil {
		return nil, err
	}
	return c.stats(now), nil
}

// ListContainerStats is the CRI's.
func (r *Runtime) ListContainerStats(_ context.Context, filter *runtimeapi.ContainerStatsFilter) ([]*runtimeapi.ContainerStats, error) {
	now := r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []*runtimeapi.ContainerStats
	for _, c := range r.chosen(filter.GetId(), filter.GetPodSandboxId(), filter.GetLabelSelector()) {
		if c.state == runtimeapi.ContainerState_CONTAINER_RUNNING {
			out = append(out, c.stats(now))
		}
	}
	return out, nil
}

// podStats is what a pod's containers use together. Called with r.mu held.
func (s *sandbox) podStats(now int64) *runtimeapi.PodSandboxStats {
	linux := &runtimeapi.LinuxPodSandboxStats{Process: &runtimeapi.ProcessUsage{Timestamp: now, ProcessCount: &runtimeapi.UInt64Value{}}}
	var cores float64
	var memory uint64
	for _, c := range s.containers {
		if c.state != runtimeapi.ContainerState_CONTAINER_RUNNING {
			continue
		}
		linux.Containers = append(linux.Containers, c.stats(now))
		linux.Process.ProcessCount.Value++
		k, m := c.usage()
		cores, memory = cores+k, memory+m
	}
	linux.Cpu = &runtimeapi.CpuUsage{Timestamp: now, UsageNanoCores: &runtimeapi.UInt64Value{Value: uint64(cores * 1e9)},
		UsageCoreNanoSeconds: &runtimeapi.UInt64Value{Value: uint64(float64(now-s.createdAt) * cores)}}
	linux.Memory = &runtimeapi.MemoryUsage{Timestamp: now, WorkingSetBytes: &runtimeapi.UInt64Value{Value: memory}, UsageBytes: &runtimeapi.UInt64Value{Value: memory}}
	return &runtimeapi.PodSandboxStats{
		Attributes: &runtimeapi.PodSandboxAttributes{Id: s.id, Metadata: s.config.GetMetadata(), Labels: s.config.GetLabels(), Annotations: s.config.GetAnnotations()},
		Linux:      linux,
	}
}

// PodSandboxStats is the CRI's.
func (r *Runtime) PodSandboxStats(_ context.Context, id string) (*runtimeapi.PodSandboxStats, error) {
	now := r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	s, err := r.findSandbox(id)
	if err != nil {
		return nil, err
	}
	return s.podStats(now), nil
}

// ListPodSandboxStats is the CRI's.
func (r *Runtime) ListPodSandboxStats(_ context.Context, filter *runtimeapi.PodSandboxStatsFilter) ([]*runtimeapi.PodSandboxStats, error) {
	now := r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []*runtimeapi.PodSandboxStats
	for _, s := range r.chosenSandboxes(filter.GetId(), filter.GetLabelSelector()) {
		if s.state == runtimeapi.PodSandboxState_SANDBOX_READY && selects(filter.GetLabelSelector(), s.config.GetLabels()) {
			out = append(out, s.podStats(now))
		}
	}
	return out, nil
}

// ListMetricDescriptors is the CRI's: there are none.
func (r *Runtime) ListMetricDescriptors(context.Context) ([]*runtimeapi.MetricDescriptor, error) {
	return nil, nil
}

// ListPodSandboxMetrics is the CRI's: there are none.
func (r *Runtime) ListPodSandboxMetrics(context.Context) ([]*runtimeapi.PodSandboxMetrics, error) {
	return nil, nil
}
