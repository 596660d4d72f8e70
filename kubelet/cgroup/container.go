package cgroup

import (
	"os"
	"path/filepath"
	"sync"

	"github.com/opencontainers/cgroups"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	resourcehelper "k8s.io/component-helpers/resource"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// machine is what decides how limits are written down, apart from the pod.
type machine struct {
	unified   bool     // cgroup v2 alone
	swap      bool     // swap can be limited
	hugePages []string // the sizes there are, in the kernel's words
}

// thisMachine is looked at once: none of it changes while the kernel runs.
var thisMachine = sync.OnceValue(func() machine {
	m := machine{unified: cgroups.IsCgroup2UnifiedMode(), hugePages: cgroups.HugePageSizes()}
	file := filepath.Join(unifiedRoot, "memory/memory.memsw.limit_in_bytes")
	if m.unified {
		// The root has no such file, our own group has.
		own, err := cgroups.ParseCgroupFile("/proc/self/cgroup")
		if err != nil {
			return m
		}
		file = filepath.Join(unifiedRoot, own[""], "memory.swap.max")
	}
	_, err := os.Stat(file)
	m.swap = err == nil
	return m
})

// ContainerResources is what the runtime is to limit a container of the pod to, on a machine with so
// many bytes of memory (upstream: pkg/kubelet/kuberuntime/kuberuntime_container_linux.go).
func ContainerResources(pod *v1.Pod, container *v1.Container, nodeMemory int64) *runtimeapi.LinuxContainerResources {
	return thisMachine().containerResources(pod, container, nodeMemory)
}

func (m machine) containerResources(pod *v1.Pod, container *v1.Container, nodeMemory int64) *runtimeapi.LinuxContainerResources {
	r := m.linuxResources(container.Resources.Requests, effectiveLimit(pod, container, v1.ResourceCPU), effectiveLimit(pod, container, v1.ResourceMemory))
	r.OomScoreAdj = oomScoreAdj(pod, container, nodeMemory)
	for _, size := range m.hugePages {
		r.HugepageLimits = append(r.HugepageLimits, &runtimeapi.HugepageLimit{
			PageSize: size, Limit: hugePageLimit(pod, container, size),
		})
	}
	if m.swap { // NoSwap, upstream's default (KEP-2400)
		if m.unified {
			r.Unified["memory.swap.max"] = "0"
		} else {
			r.MemorySwapLimitInBytes = r.MemoryLimitInBytes
		}
	}
	return r
}

// SandboxResources is what all containers of the pod may have together, and Overhead is what the pod
// takes beyond them (KEP-688). Runtimes that make a machine for each pod give it as much (upstream:
// applySandboxResources in pkg/kubelet/kuberuntime/kuberuntime_sandbox_linux.go).
func SandboxResources(pod *v1.Pod) *runtimeapi.LinuxContainerResources {
	alone := resourcehelper.PodResourcesOptions{ExcludeOverhead: true}
	limits := resourcehelper.PodLimits(pod, alone)
	return thisMachine().linuxResources(resourcehelper.PodRequests(pod, alone), limits.Cpu(), limits.Memory())
}

// Overhead is explained at SandboxResources.
func Overhead(pod *v1.Pod) *runtimeapi.LinuxContainerResources {
	over := pod.Spec.Overhead
	if over == nil {
		return &runtimeapi.LinuxContainerResources{}
	}
	return thisMachine().linuxResources(over, over.Cpu(), over.Memory())
}

// linuxResources is what holds for containers and sandboxes alike (upstream: calculateLinuxResources).
func (m machine) linuxResources(requests v1.ResourceList, cpuLimit, memoryLimit *resource.Quantity) *runtimeapi.LinuxContainerResources {
	cpuRequest, asked := requests[v1.ResourceCPU]
	if !asked {
		// The API server defaults a request to its limit; this is for what did not come from there.
		cpuRequest = *cpuLimit
	}
	r := &runtimeapi.LinuxContainerResources{
		CpuShares:          int64(shares(cpuRequest.MilliValue())),
		CpuPeriod:          quotaPeriod,
		CpuQuota:           quota(cpuLimit.MilliValue()),
		MemoryLimitInBytes: memoryLimit.Value(),
	}
	if m.unified {
		// Out of memory ends a container as a whole, not one process of it (singleProcessOOMKill's
		// default).
		r.Unified = map[string]string{"memory.oom.group": "1"}
	}
	return r
}

// effectiveLimit is the container's limit, or else its pod's (KEP-2837).
func effectiveLimit(pod *v1.Pod, container *v1.Container, name v1.ResourceName) *resource.Quantity {
	limit := container.Resources.Limits[name]
	if limit.IsZero() && resourcehelper.IsPodLevelResourcesSet(pod) {
		limit = pod.Spec.Resources.Limits[name]
	}
	return &limit
}

// hugePageLimit is the container's limit on pages of that size, or else its pod's.
func hugePageLimit(pod *v1.Pod, container *v1.Container, size string) uint64 {
	if limit := hugePages(container.Resources.Limits, size); limit != 0 || !resourcehelper.IsPodLevelResourcesSet(pod) {
		return limit
	}
	return hugePages(pod.Spec.Resources.Limits, size)
}
