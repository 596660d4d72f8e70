package node

import (
	"strings"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// capacity is what the machine has.
func (m machine) capacity(maxPods int) v1.ResourceList {
	list := v1.ResourceList{
		v1.ResourceCPU:              *resource.NewQuantity(int64(m.cpus), resource.DecimalSI),
		v1.ResourceMemory:           *resource.NewQuantity(m.memory, resource.BinarySI),
		v1.ResourceEphemeralStorage: *resource.NewQuantity(m.storage, resource.BinarySI),
		v1.ResourcePods:             *resource.NewQuantity(int64(maxPods), resource.DecimalSI),
	}
	for size, bytes := range m.hugePages {
		name := v1.ResourceHugePagesPrefix + resource.NewQuantity(size, resource.BinarySI).String()
		list[v1.ResourceName(name)] = *resource.NewQuantity(bytes, resource.BinarySI)
	}
	return list
}

// allocatable is what pods can have of it: what is reserved (for other programs, or because it must stay free,
// or pods are evicted) is not theirs, nor is memory set aside for huge pages theirs as ordinary memory (upstream's nodestatus.MachineInfo
// and GetNodeAllocatableReservation).
func (m machine) allocatable(maxPods int, reserved v1.ResourceList) v1.ResourceList {
	list := m.capacity(maxPods)
	cpu := resource.NewQuantity(int64(m.cpus), resource.DecimalSI)
	if cpu.Sub(*reserved.Cpu()); cpu.Sign() < 0 {
		cpu = resource.NewQuantity(0, resource.DecimalSI)
	}
	list[v1.ResourceCPU] = *cpu
	memory := m.memory - reserved.Memory().Value()
	for _, bytes := range m.hugePages {
		memory -= bytes
	}
	list[v1.ResourceMemory] = *resource.NewQuantity(max(memory, 0), resource.BinarySI)
	storage := m.storage - reserved.StorageEphemeral().Value()
	list[v1.ResourceEphemeralStorage] = *resource.NewQuantity(max(storage, 0), resource.DecimalSI)
	return list
}

// isHugePages is whether a resource counts huge pages of some size.
func isHugePages(name v1.ResourceName) bool {
	return strings.HasPrefix(string(name), v1.ResourceHugePagesPrefix)
}
