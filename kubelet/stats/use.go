package stats

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
	statsapi "k8s.io/kubelet/pkg/apis/stats/v1alpha1"
)

// ticksPerSecond is the unit of /proc/stat, the same on every Linux (USER_HZ).
const ticksPerSecond = 100

// machineCPU is the processor time that the machine has spent since it came up.
func machineCPU() (*statsapi.CPUStats, error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return nil, fmt.Errorf("how much the processors work: %w", err)
	}
	spent, err := spentCPU(string(text))
	if err != nil {
		return nil, fmt.Errorf("/proc/stat: %w", err)
	}
	return &statsapi.CPUStats{Time: metav1.Now(), UsageCoreNanoSeconds: &spent}, nil
}

// spentCPU adds up all but the idle times of /proc/stat, in nanoseconds (proc(5)).
func spentCPU(text string) (uint64, error) {
	line, _, _ := strings.Cut(text, "\n")
	fields := strings.Fields(line)
	if len(fields) < 9 || fields[0] != "cpu" {
		return 0, fmt.Errorf("%q is not the sum over the processors", line)
	}
	var ticks uint64
	for i, name := range []string{"user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal"} {
		n, err := strconv.ParseUint(fields[i+1], 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", name, err)
		}
		if name != "idle" && name != "iowait" {
			ticks += n
		}
	}
	return ticks * (uint64(time.Second) / ticksPerSecond), nil
}

func refer(pod *v1.Pod) statsapi.PodReference {
	return statsapi.PodReference{Name: pod.Name, Namespace: pod.Namespace, UID: string(pod.UID)}
}

// add puts what the runtime says of the pod's processes into its stats.
func add(of *statsapi.PodStats, pod *v1.Pod, said *runtimeapi.PodSandboxStats) {
	linux := said.GetLinux()
	of.CPU, of.Memory = cpuOf(linux.GetCpu()), memoryOf(linux.GetMemory())
	if n := linux.GetProcess().GetProcessCount(); n != nil {
		of.ProcessStats = &statsapi.ProcessStats{ProcessCount: new(n.GetValue())}
	}
	if n := linux.GetNetwork().GetDefaultInterface(); n != nil {
		of.Network = &statsapi.NetworkStats{Time: at(linux.GetNetwork().GetTimestamp()), InterfaceStats: interfaceOf(n)}
		for _, one := range linux.GetNetwork().GetInterfaces() { // the default one among them
			of.Network.Interfaces = append(of.Network.Interfaces, interfaceOf(one))
		}
	}
	for _, c := range linux.GetContainers() {
		if c.GetMemory().GetWorkingSetBytes() == nil {
			continue // it has ended, and still lies there
		}
		one := statsapi.ContainerStats{Name: c.GetAttributes().GetMetadata().GetName(), CPU: cpuOf(c.GetCpu()), Memory: memoryOf(c.GetMemory())}
		if s := c.GetSwap(); s != nil {
			one.Swap = &statsapi.SwapStats{Time: at(s.GetTimestamp()), SwapUsageBytes: value(s.GetSwapUsageBytes()), SwapAvailableBytes: value(s.GetSwapAvailableBytes())}
		}
		for _, status := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses, pod.Status.EphemeralContainerStatuses) {
			if status.Name == one.Name && status.State.Running != nil {
				one.StartTime = status.State.Running.StartedAt
			}
		}
		of.Containers = append(of.Containers, one)
	}
}

func at(nanoseconds int64) metav1.Time { return metav1.NewTime(time.Unix(0, nanoseconds)) }

func value(v *runtimeapi.UInt64Value) *uint64 {
	if v == nil {
		return nil
	}
	return new(v.GetValue())
}

func cpuOf(c *runtimeapi.CpuUsage) *statsapi.CPUStats {
	if c == nil {
		return nil
	}
	return &statsapi.CPUStats{Time: at(c.GetTimestamp()), UsageNanoCores: value(c.GetUsageNanoCores()), UsageCoreNanoSeconds: value(c.GetUsageCoreNanoSeconds())}
}

func memoryOf(m *runtimeapi.MemoryUsage) *statsapi.MemoryStats {
	if m == nil {
		return nil
	}
	return &statsapi.MemoryStats{Time: at(m.GetTimestamp()), AvailableBytes: value(m.GetAvailableBytes()), UsageBytes: value(m.GetUsageBytes()),
		WorkingSetBytes: value(m.GetWorkingSetBytes()), RSSBytes: value(m.GetRssBytes()), PageFaults: value(m.GetPageFaults()), MajorPageFaults: value(m.GetMajorPageFaults())}
}

func interfaceOf(n *runtimeapi.NetworkInterfaceUsage) statsapi.InterfaceStats {
	return statsapi.InterfaceStats{Name: n.GetName(), RxBytes: value(n.GetRxBytes()), RxErrors: value(n.GetRxErrors()), TxBytes: value(n.GetTxBytes()), TxErrors: value(n.GetTxErrors())}
}
