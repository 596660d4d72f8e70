package worker

import (
	v1 "k8s.io/api/core/v1"

	"github.com/podling/podling/lifecycle"
	"github.com/podling/podling/runtime/fault"
)

// heedFaults puts the faults of the pod's annotation in force, where it is
// another than before. One that cannot be read makes no fault and harms nothing,
// but its author is told.
func (n *Node) heedFaults(was, pod *v1.Pod) {
	before, now := "", pod.Annotations[fault.Annotation]
	if was != nil {
		before = was.Annotations[fault.Annotation]
	}
	if before == now {
		return
	}
	rules, err := fault.OfPod(pod)
	if err == nil {
		err = n.Faults.SetPod(pod, rules)
	}
	if err != nil {
		n.Event(pod, lifecycle.Event{Type: v1.EventTypeWarning, Reason: fault.InvalidFaults, Message: err.Error()})
	}
}
