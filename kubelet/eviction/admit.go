package eviction

import (
	"fmt"
	"slices"

	v1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"
	v1qos "k8s.io/kubernetes/pkg/apis/core/v1/helper/qos"
	api "k8s.io/kubernetes/pkg/kubelet/eviction/api"
	kubetypes "k8s.io/kubernetes/pkg/kubelet/types"

	"github.com/podling/podling/lifecycle"
)

// Conditions are what the node is short of: some of MemoryPressure, DiskPressure and PIDPressure.
func (m *Manager) Conditions() []v1.NodeConditionType {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.conditions)
}

// Admit says why a node that is short of something does not take the pod, nil if it does (upstream:
// Admit in eviction_manager.go). Critical pods are always taken, and those that asked for memory, or
// tolerate its shortage, when it is memory alone that is short.
func (m *Manager) Admit(pod *v1.Pod) *lifecycle.Rejection {
	short := m.Conditions()
	if len(short) == 0 || kubetypes.IsCriticalPod(pod) {
		return nil
	}
	if slices.Equal(short, []v1.NodeConditionType{v1.NodeMemoryPressure}) {
		taint := &v1.Taint{Key: v1.TaintNodeMemoryPressure, Effect: v1.TaintEffectNoSchedule}
		tolerates := func(t v1.Toleration) bool { return t.ToleratesTaint(klog.Background(), taint, false) }
		if v1qos.GetPodQOS(pod) != v1.PodQOSBestEffort || slices.ContainsFunc(pod.Spec.Tolerations, tolerates) {
			return nil
		}
	}
	return &lifecycle.Rejection{Reason: Evicted, Message: fmt.Sprintf("The node had condition: %v. ", short)}
}

// Reserved is how much of the node's memory and local storage pods cannot have, because it has to
// stay free (upstream: hardEvictionReservation in pkg/kubelet/cm).
func (m *Manager) Reserved(capacity v1.ResourceList) v1.ResourceList {
	out := v1.ResourceList{}
	for _, t := range m.pressure.thresholds {
		if !t.hard || t.name != api.SignalMemoryAvailable && t.name != api.SignalNodeFsAvailable {
			continue
		}
		all := capacity[t.resource]
		out[t.resource] = *t.least(amount{capacity: &all})
	}
	return out
}
