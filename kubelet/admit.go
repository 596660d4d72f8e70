package kubelet

import (
	"runtime"

	v1 "k8s.io/api/core/v1"
	"k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/security/apparmor"

	"github.com/podling/podling/lifecycle"
)

// admit says why the node does not take the pod, nil if it does. Called with
// d.mu held, so that no two pods are given the same room.
func (d *desk) admit(pod *v1.Pod) *lifecycle.Rejection {
	if no := d.pressed(pod); no != nil {
		return no
	}
	node := d.object()
	if node == nil {
		return nil // not registered yet: nothing was bound here without the scheduler's look at an earlier registration
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
	return lifecycle.Admit(pod, room)
}

// room is what the node has, and who has taken of it already, pod left out.
func (d *desk) room(node *v1.Node, pod *v1.Pod) lifecycle.Room {
	room := lifecycle.Room{OS: runtime.GOOS, Allocatable: node.Status.Allocatable}
	for uid, w := range d.workers {
		if other := w.Newest(); uid != pod.UID && !d.rejected[uid] && other.Status.Phase != v1.PodSucceeded && other.Status.Phase != v1.PodFailed {
			room.Pods = append(room.Pods, other)
		}
	}
	return room
}
