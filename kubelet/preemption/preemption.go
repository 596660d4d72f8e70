// Package preemption chooses the pods that have to go so that a critical one finds room on the node.
//
// In a pod's way it stands behind admission: where a pod that the node cannot do without (a static
// one, or one of a system priority) does not fit, the node ends others instead of refusing it. The
// rules are upstream's (k8s.io/kubernetes/pkg/kubelet/preemption).
package preemption

import (
	"fmt"
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"
	v1resource "k8s.io/kubernetes/pkg/api/v1/resource"
	v1qos "k8s.io/kubernetes/pkg/apis/core/v1/helper/qos"
	kubetypes "k8s.io/kubernetes/pkg/kubelet/types"

	"github.com/podling/podling/lifecycle"
)

// Preempting is the reason of a pod that had to make room, and of the Event that tells of it.
const Preempting = "Preempting"

const (
	message   = "Preempted in order to admit critical pod"
	condition = "Pod was preempted by Kubelet to accommodate a critical pod."
)

// Eviction is what becomes of a pod that has to make room. It gets its own grace period.
func Eviction(victim *v1.Pod) lifecycle.Eviction {
	return lifecycle.Eviction{Reason: Preempting, Message: message, Condition: &v1.PodCondition{
		Type: v1.DisruptionTarget, Status: v1.ConditionTrue, ObservedGeneration: victim.Generation,
		Reason: v1.PodReasonTerminationByKubelet, Message: condition,
	}}
}

// Victims are those of the pods that make room for the critical one. Guaranteed pods go only for what
// all others cannot give, burstable ones only for what BestEffort ones cannot; within a class it is
// few pods rather than many, and of these the ones that asked for little. The error says that all of
// them would not be enough.
func Victims(critical *v1.Pod, pods []*v1.Pod, short []lifecycle.Shortage) ([]*v1.Pod, error) {
	classes := map[v1.PodQOSClass][]*v1.Pod{}
	for _, pod := range pods {
		if kubetypes.Preemptable(critical, pod) {
			class := v1qos.GetPodQOS(pod)
			classes[class] = append(classes[class], pod)
		}
	}
	bestEffort, burstable, guaranteed := classes[v1.PodQOSBestEffort], classes[v1.PodQOSBurstable], classes[v1.PodQOSGuaranteed]
	need := needOf(short)
	if missing := need.without(bestEffort, burstable, guaranteed); len(missing) > 0 {
		return nil, fmt.Errorf("preemption: error finding a set of pods to preempt: no set of running pods found to reclaim resources: %v", missing)
	}
	guaranteed = need.without(bestEffort, burstable).closest(guaranteed)
	burstable = need.without(bestEffort, guaranteed).closest(burstable)
	bestEffort = need.without(burstable, guaranteed).closest(bestEffort)
	return slices.Concat(bestEffort, burstable, guaranteed), nil
}

// need is what is missing.
type need []missing

type missing struct {
	resource v1.ResourceName
	amount   int64 // thousandths of CPU, whole units of everything else
}

func needOf(short []lifecycle.Shortage) need {
	var n need
	for _, s := range short {
		n = append(n, missing{s.Resource, s.Missing()})
	}
	return n
}

// without is what is still missing once those pods are gone.
func (n need) without(pods ...[]*v1.Pod) need {
	var left need
	for _, m := range n {
		for _, pod := range slices.Concat(pods...) {
			m.amount -= v1resource.GetResourceRequest(pod, m.resource)
		}
		if m.amount > 0 {
			left = append(left, m)
		}
	}
	return left
}

// closest are pods that give what is needed: each time the one that leaves least to be found, and of
// two that leave the same the smaller one.
func (n need) closest(pods []*v1.Pod) []*v1.Pod {
	var out []*v1.Pod
	pods = slices.Clone(pods)
	for len(n) > 0 && len(pods) > 0 {
		best := 0
		for i := range pods[1:] {
			i++
			here, there := n.distance(pods[i]), n.distance(pods[best])
			if here < there || here == there && noLarger(pods[i], pods[best]) {
				best = i
			}
		}
		out = append(out, pods[best])
		n = n.without(pods[best : best+1])
		last := len(pods) - 1
		pods[best] = pods[last]
		pods = pods[:last]
	}
	return out
}

// distance is how far the pod's end would be from giving what is needed: the parts that would still
// be missing, squared, so that each resource weighs the same.
func (n need) distance(pod *v1.Pod) float64 {
	var sum float64
	for _, m := range n {
		if left := float64(m.amount - v1resource.GetResourceRequest(pod, m.resource)); left > 0 {
			part := left / float64(m.amount)
			sum += part * part
		}
	}
	return sum
}

// noLarger: pod a does not ask for more memory than b, nor, with the same memory, for more CPU.
func noLarger(a, b *v1.Pod) bool {
	for _, name := range []v1.ResourceName{v1.ResourceMemory, v1.ResourceCPU} {
		if x, y := v1resource.GetResourceRequest(a, name), v1resource.GetResourceRequest(b, name); x != y {
			return x < y
		}
	}
	return true
}

// String is upstream's way to put it.
func (n need) String() string {
	var b strings.Builder
	for _, m := range n {
		fmt.Fprintf(&b, "(res: %v, q: %d), ", m.resource, m.amount)
	}
	return "[" + b.String() + "]"
}
