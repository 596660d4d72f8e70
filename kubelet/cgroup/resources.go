package cgroup

import (
	"fmt"
	"strings"

	"github.com/opencontainers/cgroups"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	resourcehelper "k8s.io/component-helpers/resource"
	v1qos "k8s.io/kubernetes/pkg/apis/core/v1/helper/qos"
)

// The kernel's bounds (kernel/sched/sched.h and core.c), as in upstream's
// pkg/kubelet/cm/helpers_linux.go.
const (
	minShares   = 2
	maxShares   = 262144
	sharesOfCPU = 1024 // and what a group has that nobody weighed
	// defaultWeight is the same in cgroup v2.
	defaultWeight = 100
	// quotaPeriod and minQuota are in microseconds.
	quotaPeriod = 100_000
	minQuota    = 1000
	// unlimited takes a limit away.
	unlimited = -1
)

// shares turns thousandths of a processor into a weight against other groups.
func shares(milliCPU int64) uint64 {
	return uint64(min(max(milliCPU*sharesOfCPU/1000, minShares), maxShares))
}

// weight is what cgroup v2 calls shares: 2..262144 becomes 1..10000.
func weight(shares uint64) uint64 {
	return 1 + (min(shares, maxShares)-minShares)*9999/(maxShares-minShares)
}

// sharesOfWeight is weight's way back.
func sharesOfWeight(weight uint64) uint64 {
	return (weight-1)*(maxShares-minShares)/9999 + minShares
}

// milliCPU is shares' way back.
func milliCPU(shares uint64) int64 { return int64(shares * 1000 / sharesOfCPU) }

// quota is how many microseconds of each period the limit allows; 0 where there is no limit.
func quota(milliCPU int64) int64 {
	if milliCPU == 0 {
		return 0
	}
	return max(milliCPU*quotaPeriod/1000, minQuota)
}

// podResources are the limits of a pod as a whole, after upstream's ResourceConfigForPod: requests
// and limits are summed (KEP-2837: the pod's own go before), and a limit holds for the pod only if
// each of its containers has one.
func podResources(pod *v1.Pod) *cgroups.Resources {
	requests := resourcehelper.PodRequests(pod, resourcehelper.PodResourcesOptions{})
	cpuLimited, memoryLimited := true, true
	limits := resourcehelper.PodLimits(pod, resourcehelper.PodResourcesOptions{
		ContainerFn: func(r v1.ResourceList, _ resourcehelper.ContainerType) {
			cpuLimited = cpuLimited && !r.Cpu().IsZero()
			memoryLimited = memoryLimited && !r.Memory().IsZero()
		},
	})
	if resourcehelper.IsPodLevelResourcesSet(pod) {
		cpuLimited = cpuLimited || !pod.Spec.Resources.Limits.Cpu().IsZero()
		memoryLimited = memoryLimited || !pod.Spec.Resources.Limits.Memory().IsZero()
	}
	r := &cgroups.Resources{CpuShares: minShares, HugetlbLimit: podHugePages(requests)}
	switch v1qos.GetPodQOS(pod) {
	case v1.PodQOSBestEffort:
		return r
	case v1.PodQOSGuaranteed:
		cpuLimited, memoryLimited = true, true
	}
	r.CpuShares = shares(requests.Cpu().MilliValue())
	r.CpuPeriod, r.CpuQuota, r.Memory = quotaPeriod, unlimited, unlimited
	if cpuLimited {
		r.CpuQuota = quota(limits.Cpu().MilliValue())
	}
	if memoryLimited {
		r.Memory = limits.Memory().Value()
	}
	return r
}

// podHugePages limits each size of huge page that the machine has to what the pod asks for.
func podHugePages(requests v1.ResourceList) []*cgroups.HugepageLimit {
	var limits []*cgroups.HugepageLimit
	for _, size := range cgroups.HugePageSizes() {
		limits = append(limits, &cgroups.HugepageLimit{Pagesize: size, Limit: hugePages(requests, size)})
	}
	return limits
}

// classHugePages leaves huge pages to the pods of a class.
func classHugePages() []*cgroups.HugepageLimit {
	limits := podHugePages(nil)
	for _, limit := range limits {
		limit.Limit = 1 << 62
	}
	return limits
}

// hugePages is how many bytes of huge pages of that size (the kernel's word: 2MB, 1GB) are in r.
func hugePages(r v1.ResourceList, size string) uint64 {
	var sum uint64
	for name, quantity := range r {
		bytes, isHugePage := strings.CutPrefix(string(name), v1.ResourceHugePagesPrefix)
		if !isHugePage {
			continue
		}
		if page, err := resource.ParseQuantity(bytes); err == nil && kernelSize(page.Value()) == size {
			sum += uint64(quantity.Value())
		}
	}
	return sum
}

// kernelSize writes a page size as the kernel names it in hugetlb's files.
func kernelSize(bytes int64) string {
	const kb, mb, gb = 1 << 10, 1 << 20, 1 << 30
	switch {
	case bytes >= gb && bytes%gb == 0:
		return fmt.Sprintf("%dGB", bytes/gb)
	case bytes >= mb && bytes%mb == 0:
		return fmt.Sprintf("%dMB", bytes/mb)
	default:
		return fmt.Sprintf("%dKB", bytes/kb)
	}
}

// fit keeps of r what the available controllers can hold a group to, in v2's terms if unified.
func fit(r *cgroups.Resources, available map[string]bool, unified bool) *cgroups.Resources {
	// Devices are the containers' business, and a pod's group has none to freeze.
	fitted := &cgroups.Resources{SkipDevices: true, SkipFreezeOnSet: true}
	if available["cpu"] {
		fitted.CpuShares, fitted.CpuPeriod, fitted.CpuQuota = r.CpuShares, r.CpuPeriod, r.CpuQuota
		if unified && r.CpuShares != 0 {
			fitted.CpuShares, fitted.CpuWeight = 0, weight(r.CpuShares)
		}
	}
	if available["memory"] {
		fitted.Memory = r.Memory
	}
	if available["hugetlb"] {
		fitted.HugetlbLimit = r.HugetlbLimit
	}
	return fitted
}
