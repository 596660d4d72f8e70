package cgroup

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/opencontainers/cgroups"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	resourcehelper "k8s.io/component-helpers/resource"
	"k8s.io/kubernetes/pkg/kubelet/cm"
	"k8s.io/kubernetes/pkg/kubelet/qos"
)

// The rules below are upstream's, so upstream's own functions say what is right, on pods made at
// random.
const randomPods = 20_000

func TestOOMScoreIsUpstreams(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range randomPods {
		pod := randomPod(random)
		memory := int64(1+random.IntN(8)) << 30
		for _, container := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
			want := int64(qos.GetContainerOOMScoreAdjust(pod, &container, memory))
			if got := oomScoreAdj(pod, &container, memory); got != want {
				t.Fatalf("container %s: %d, upstream says %d; memory %d, pod:\n%s", container.Name, got, want, memory, describe(pod))
			}
		}
	}
}

func TestPodResourcesAreUpstreams(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for range randomPods {
		pod := randomPod(random)
		want := cm.ResourceConfigForPod(pod, true, quotaPeriod, false, "")
		got := podResources(pod)
		// Where upstream writes nothing, a new group has no limit: unlimited.
		for _, value := range []struct {
			name string
			got  int64
			want *int64
		}{
			{"quota", got.CpuQuota, want.CPUQuota},
			{"memory", got.Memory, want.Memory},
			{"shares", int64(got.CpuShares), new(int64(*want.CPUShares))},
		} {
			if value.want == nil {
				if value.got != unlimited && value.got != 0 {
					t.Fatalf("%s %d, upstream sets none; pod:\n%s", value.name, value.got, describe(pod))
				}
			} else if value.got != *value.want {
				t.Fatalf("%s %d, upstream says %d; pod:\n%s", value.name, value.got, *value.want, describe(pod))
			}
		}
	}
}

func TestSharesAndWeight(t *testing.T) {
	for milli := int64(0); milli < 400_000; milli += 7 {
		if got, want := shares(milli), cm.MilliCPUToShares(milli); got != want {
			t.Fatalf("shares(%d) = %d, upstream says %d", milli, got, want)
		}
		if got, want := quota(milli), cm.MilliCPUToQuota(milli, quotaPeriod); got != want {
			t.Fatalf("quota(%d) = %d, upstream says %d", milli, got, want)
		}
	}
	for shares, want := range map[uint64]uint64{2: 1, 1024: 39, 262144: 10000, 1 << 40: 10000} {
		if got := weight(shares); got != want {
			t.Errorf("weight(%d) = %d, want %d", shares, got, want)
		}
	}
	// What was written down is read again as about the same, and never as more.
	for s := uint64(minShares); s <= maxShares; s += 13 {
		if got := sharesOfWeight(weight(s)); got > s || s-got > 27 {
			t.Fatalf("shares %d come back from weight %d as %d", s, weight(s), got)
		}
	}
}

func TestHugePages(t *testing.T) {
	list := v1.ResourceList{
		"hugepages-2Mi":    resource.MustParse("64Mi"),
		"hugepages-2048Ki": resource.MustParse("2Mi"),
		"hugepages-1Gi":    resource.MustParse("3Gi"),
		"hugepages-64Ki":   resource.MustParse("128Ki"),
		"memory":           resource.MustParse("1Gi"),
	}
	for size, want := range map[string]uint64{"2MB": 66 << 20, "1GB": 3 << 30, "64KB": 128 << 10, "16GB": 0} {
		if got := hugePages(list, size); got != want {
			t.Errorf("pages of %s: %d bytes, want %d", size, got, want)
		}
	}
}

func TestFitKeepsWhatTheMachineHas(t *testing.T) {
	all := &cgroups.Resources{CpuShares: 1024, CpuQuota: 5000, CpuPeriod: quotaPeriod, Memory: 1 << 30,
		HugetlbLimit: []*cgroups.HugepageLimit{{Pagesize: "2MB"}}}
	if got := fit(all, map[string]bool{"cpu": true}, false); got.CpuShares != 1024 || got.CpuQuota != 5000 || got.Memory != 0 || got.HugetlbLimit != nil {
		t.Errorf("with cpu alone: %+v", got)
	}
	if got := fit(all, map[string]bool{"memory": true, "hugetlb": true}, false); got.CpuShares != 0 || got.CpuQuota != 0 || got.Memory != 1<<30 || len(got.HugetlbLimit) != 1 {
		t.Errorf("without cpu: %+v", got)
	}
	if got := fit(all, map[string]bool{"cpu": true}, true); got.CpuShares != 0 || got.CpuWeight != 39 {
		t.Errorf("on v2: shares %d, weight %d", got.CpuShares, got.CpuWeight)
	}
}

func TestContainerResources(t *testing.T) {
	pod := &v1.Pod{Spec: v1.PodSpec{
		Resources:  &v1.ResourceRequirements{Limits: list("cpu", "2", "memory", "2Gi", "hugepages-2Mi", "4Mi")},
		Containers: []v1.Container{{Name: "own", Resources: v1.ResourceRequirements{Limits: list("cpu", "500m", "memory", "1Gi")}}, {Name: "none"}},
	}}
	own, none := &pod.Spec.Containers[0], &pod.Spec.Containers[1]
	v1Machine := machine{swap: true, hugePages: []string{"2MB", "1GB"}}
	r := v1Machine.containerResources(pod, own, 8<<30)
	if r.CpuShares != 512 || r.CpuQuota != 50_000 || r.CpuPeriod != 100_000 || r.MemoryLimitInBytes != 1<<30 || r.MemorySwapLimitInBytes != 1<<30 || r.Unified != nil {
		t.Errorf("its own limits, on v1: %v", r)
	}
	if len(r.HugepageLimits) != 2 || r.HugepageLimits[0].Limit != 4<<20 || r.HugepageLimits[1].Limit != 0 {
		t.Errorf("huge pages: %v", r.HugepageLimits)
	}
	r = machine{unified: true, swap: true}.containerResources(pod, none, 8<<30)
	if r.CpuShares != 2048 || r.CpuQuota != 200_000 || r.MemoryLimitInBytes != 2<<30 || r.MemorySwapLimitInBytes != 0 {
		t.Errorf("its pod's limits, on v2: %v", r)
	}
	if r.Unified["memory.swap.max"] != "0" || r.Unified["memory.oom.group"] != "1" {
		t.Errorf("on v2: %v", r.Unified)
	}
	bare := &v1.Pod{Spec: v1.PodSpec{Containers: []v1.Container{{Name: "bare"}}}}
	r = machine{}.containerResources(bare, &bare.Spec.Containers[0], 8<<30)
	if r.CpuShares != 2 || r.CpuQuota != 0 || r.MemoryLimitInBytes != 0 || r.OomScoreAdj != 1000 {
		t.Errorf("nothing asked for: %v", r)
	}
}

// randomPod asks for something, or not, at each level.
func randomPod(random *rand.Rand) *v1.Pod {
	pod := &v1.Pod{}
	restart := v1.ContainerRestartPolicyAlways
	for i := range random.IntN(3) {
		c := v1.Container{Name: fmt.Sprintf("init%d", i), Resources: randomResources(random)}
		if random.IntN(2) == 0 {
			c.RestartPolicy = &restart
		}
		pod.Spec.InitContainers = append(pod.Spec.InitContainers, c)
	}
	for i := range 1 + random.IntN(3) {
		pod.Spec.Containers = append(pod.Spec.Containers, v1.Container{Name: fmt.Sprintf("main%d", i), Resources: randomResources(random)})
	}
	if random.IntN(3) == 0 {
		pod.Spec.Resources = podLevel(random, pod)
	}
	if random.IntN(5) == 0 {
		pod.Spec.Overhead = list("cpu", "100m", "memory", "64Mi")
	}
	switch random.IntN(8) {
	case 0:
		pod.Spec.PriorityClassName, pod.Spec.Priority = "system-node-critical", new(int32(2000001000))
	case 1:
		pod.Spec.PriorityClassName = "system-node-critical"
		pod.Annotations = map[string]string{"kubernetes.io/config.source": "file"}
	case 2:
		pod.Spec.PriorityClassName, pod.Spec.Priority = "system-cluster-critical", new(int32(2000000000))
	}
	return pod
}

// podLevel asks for something for the pod as a whole: as validation has it, not for less than its
// containers do.
func podLevel(random *rand.Rand, pod *v1.Pod) *v1.ResourceRequirements {
	own := randomResources(random)
	sum := resourcehelper.AggregateContainerRequests(pod, resourcehelper.PodResourcesOptions{})
	for name, amount := range own.Requests {
		amount.Add(sum[name])
		own.Requests[name] = amount
		if limit, limited := own.Limits[name]; limited && limit.Cmp(amount) < 0 {
			own.Limits[name] = amount
		}
	}
	return &own
}

func randomResources(random *rand.Rand) v1.ResourceRequirements {
	var r v1.ResourceRequirements
	for _, name := range []v1.ResourceName{"cpu", "memory"} {
		amounts := map[v1.ResourceName][]string{"cpu": {"1m", "250m", "2"}, "memory": {"64Mi", "1Gi"}}[name]
		amount := resource.MustParse(amounts[random.IntN(len(amounts))])
		switch random.IntN(4) {
		case 0:
			r.Requests = with(r.Requests, name, amount)
		case 1: // as the API server defaults it
			r.Limits, r.Requests = with(r.Limits, name, amount), with(r.Requests, name, amount)
		case 2:
			half := *resource.NewMilliQuantity(amount.MilliValue()/2, resource.BinarySI)
			r.Limits, r.Requests = with(r.Limits, name, amount), with(r.Requests, name, half)
		}
	}
	return r
}

func with(r v1.ResourceList, name v1.ResourceName, amount resource.Quantity) v1.ResourceList {
	if r == nil {
		r = v1.ResourceList{}
	}
	r[name] = amount
	return r
}

// list makes a resource list of pairs.
func list(pairs ...string) v1.ResourceList {
	r := v1.ResourceList{}
	for pair := range slices.Chunk(pairs, 2) {
		r[v1.ResourceName(pair[0])] = resource.MustParse(pair[1])
	}
	return r
}

func describe(pod *v1.Pod) string {
	text := fmt.Sprintf("own: %v overhead: %v priority: %s\n", pod.Spec.Resources, pod.Spec.Overhead, pod.Spec.PriorityClassName)
	for _, c := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
		text += fmt.Sprintf("%s: requests %v limits %v restart %v\n", c.Name, c.Resources.Requests, c.Resources.Limits, c.RestartPolicy)
	}
	return text
}

// A sandbox is told what its containers may have together, and the overhead apart.
func TestSandboxResources(t *testing.T) {
	list := func(cpu, memory string) v1.ResourceList {
		return v1.ResourceList{v1.ResourceCPU: resource.MustParse(cpu), v1.ResourceMemory: resource.MustParse(memory)}
	}
	pod := &v1.Pod{Spec: v1.PodSpec{
		Containers: []v1.Container{
			{Resources: v1.ResourceRequirements{Requests: list("100m", "10Mi"), Limits: list("200m", "20Mi")}},
			{Resources: v1.ResourceRequirements{Requests: list("150m", "10Mi"), Limits: list("300m", "20Mi")}},
		},
		Overhead: list("50m", "16Mi"),
	}}
	r := SandboxResources(pod)
	if r.CpuShares != 256 || r.CpuQuota != 50_000 || r.MemoryLimitInBytes != 40<<20 {
		t.Errorf("resources %v", r)
	}
	if o := Overhead(pod); o.CpuShares != 51 || o.CpuQuota != 5_000 || o.MemoryLimitInBytes != 16<<20 {
		t.Errorf("overhead %v", o)
	}
	if o := Overhead(&v1.Pod{}); o.CpuPeriod != 0 || o.MemoryLimitInBytes != 0 {
		t.Errorf("no overhead: %v", o)
	}
}
