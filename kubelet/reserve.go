package kubelet

import (
	"errors"
	"fmt"
	"runtime"

	v1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"

	"github.com/podling/podling/kubelet/cgroup"
)

// reserved is how much of the machine pods cannot have: what is set aside for other programs, and what has to
// stay free (upstream: GetNodeAllocatableReservation in pkg/kubelet/cm).
func (k *Kubelet) reserved(capacity v1.ResourceList) v1.ResourceList {
	out := k.evictor.Reserved(capacity)
	for name, quantity := range k.config.Reserved {
		sum := out[name]
		sum.Add(quantity)
		out[name] = sum
	}
	return out
}

// bound holds the node's pods together to what is not set aside for other programs. Pods that use more memory
// already go on without a bound, until the node starts the next time.
func (k *Kubelet) bound() error {
	var milliCPU, bytes int64
	if cpu, set := k.config.Reserved[v1.ResourceCPU]; set {
		if milliCPU = int64(runtime.NumCPU())*1000 - cpu.MilliValue(); milliCPU <= 0 {
			return fmt.Errorf("of %d processors %s are reserved: none is left for pods", runtime.NumCPU(), cpu.String())
		}
	}
	if memory, set := k.config.Reserved[v1.ResourceMemory]; set {
		if bytes = k.shared.Memory - memory.Value(); bytes <= 0 {
			return fmt.Errorf("of %d bytes of memory %s are reserved: nothing is left for pods", k.shared.Memory, memory.String())
		}
	}
	err := k.cgroups.Bound(milliCPU, bytes)
	if errors.Is(err, cgroup.ErrLimit) {
		klog.Background().Error(err, "Pods are not held to what is left to them")
		return nil
	}
	return err
}

// words are resources as a configuration has them.
func words(list v1.ResourceList) map[string]string {
	if len(list) == 0 {
		return nil
	}
	out := map[string]string{}
	for name, quantity := range list {
		out[string(name)] = quantity.String()
	}
	return out
}
