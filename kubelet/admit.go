package kubelet

import (
	"maps"
	"runtime"
	"slices"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
	"k8s.io/klog/v2"
	kubetypes "k8s.io/kubernetes/pkg/kubelet/types"
	"k8s.io/kubernetes/pkg/security/apparmor"

	"github.com/podling/podling/kubelet/preemption"
	"github.com/podling/podling/kubelet/worker"
	"github.com/podling/podling/lifecycle"
)

// admit says why the node does not take the pod, nil if it does, and which pods
// have to make room for it. Called with d.mu held, so that no two pods are given
// the same room.
func (d *desk) admit(pod *v1.Pod) (no *lifecycle.Rejection, victims []*v1.Pod) {
	if no := d.unfit(pod); no != nil {
		return no, nil
	}
	node := d.object()
	if node == nil {
		return nil, nil // a static pod, and the machine does not say what it has: the runtime hangs
	}
	room := d.room(node, pod)
	matches, err := nodeaffinity.GetRequiredNodeAffinity(pod).Match(node)
	room.AffinityMatches = matches && err == nil
	onlyNoExecute := func(t *v1.Taint) bool { return t.Effect == v1.TaintEffectNoExecute }
	_, untolerated := corev1.FindMatchingUntoleratedTaint(klog.Background(), node.Spec.Taints, pod.Spec.Tolerations, onlyNoExecute, false)
	room.Tolerated = !untolerated
	room.StrictGroups = node.Status.Features != nil && node.Status.Features.SupplementalGroupsPolicy != nil && *node.Status.Features.SupplementalGroupsPolicy
	if err := apparmor.NewValidator().Validate(pod); err != nil {
		room.AppArmor = err.Error()
	}
	room.Critical = kubetypes.IsCriticalPod(pod)
	if no := lifecycle.Admit(pod, room); no != nil || !room.Critical {
		return no, nil
	}
	short := lifecycle.Short(pod, room)
	if len(short) == 0 {
		return nil, nil
	}
	victims, err = preemption.Victims(pod, slices.Collect(maps.Values(d.taken.pods)), short)
	if err != nil {
		return &lifecycle.Rejection{Reason: "UnexpectedAdmissionError", Message: "Unexpected error while attempting to recover from admission failure: " + err.Error()}, nil
	}
	return nil, victims
}

// preempt ends the pods that have to make room. What it gives is closed once they
// have stopped, or took too long. Called with d.mu held.
func (d *desk) preempt(victims []*v1.Pod) (settled []<-chan struct{}) {
	for _, victim := range victims {
		e := preemption.Eviction(victim)
		d.preempted[victim.UID] = true
		d.count(victim.UID)
		d.shared.Event(victim, lifecycle.Event{Type: v1.EventTypeWarning, Reason: preemption.Preempting, Message: e.Message})
		settled = append(settled, d.end(d.workers[victim.UID], victim, e))
	}
	return settled
}

// room is what the node has, and what others than the pod have of it already.
func (d *desk) room(node *v1.Node, pod *v1.Pod) lifecycle.Room {
	room := lifecycle.Room{OS: runtime.GOOS, Allocatable: node.Status.Allocatable, Taken: d.taken.use}
	if counted := d.taken.pods[pod.UID]; counted != nil {
		room.Taken = d.taken.use.Without(counted)
	}
	return room
}

// taken are the pods that count when the next asks for room, and what they have.
type taken struct {
	pods map[types.UID]*v1.Pod // as they were counted
	use  lifecycle.Use
}

// count counts a pod of which there is news: as it is now, or not any more. Called with d.mu held.
func (d *desk) count(uid types.UID) {
	if was := d.taken.pods[uid]; was != nil {
		d.taken.use.Remove(was)
		delete(d.taken.pods, uid)
	}
	w := d.workers[uid]
	if w == nil || d.rejected[uid] || d.preempted[uid] {
		return
	}
	if pod := w.Newest(); !lifecycle.Terminal(pod.Status.Phase) {
		d.taken.use.Add(pod)
		d.taken.pods[uid] = pod
	}
}

// update hands a newer version of a pod, and facts, to its worker. Called with d.mu held.
func (d *desk) update(w *worker.Worker, pod *v1.Pod, facts ...func(*lifecycle.Observed)) {
	w.Update(pod, facts...)
	d.count(pod.UID)
}
