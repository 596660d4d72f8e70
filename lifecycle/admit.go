package lifecycle

import (
	"fmt"
	"slices"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Rejection is why the node does not take a pod that was bound to it.
type Rejection struct{ Reason, Message string }

// Room is what the node has and what is asked of it, for the admission of one
// pod. What needs a library to find out is told here as found.
type Room struct {
	Allocatable v1.ResourceList
	Taken       Use    // by the pods that the node has taken and that are not over
	OS          string // the node's, as in kubernetes.io/os

	AffinityMatches bool // the node is one that the pod's nodeSelector and affinity allow
	Tolerated       bool // the pod tolerates the node's NoExecute taints
	StrictGroups    bool // the runtime knows supplementalGroupsPolicy Strict

	Critical bool   // the node cannot do without the pod: it makes room for it
	AppArmor string // why the AppArmor profiles that the pod asks for cannot be enforced; "" if they can
}

// Admit says why the node cannot take the pod, nil if it can (upstream:
// pkg/kubelet/lifecycle, predicate.go and handlers.go, and AdmissionCheck in
// pkg/scheduler; the order is that of the admit handlers in pkg/kubelet/kubelet.go).
func Admit(pod *v1.Pod, room Room) *Rejection {
	if r := sysctls(pod); r != nil {
		return r
	}
	if want, ok := pod.Labels[v1.LabelOSStable]; ok && want != room.OS {
		return &Rejection{"PodOSSelectorNodeLabelDoesNotMatch", "Failed to admit pod as the `kubernetes.io/os` label doesn't match node label"}
	}
	if pod.Spec.OS != nil && string(pod.Spec.OS.Name) != room.OS {
		return &Rejection{"PodOSNotSupported", "Failed to admit pod as the OS field doesn't match node OS"}
	}
	if sc := pod.Spec.SecurityContext; sc != nil && sc.SupplementalGroupsPolicy != nil && *sc.SupplementalGroupsPolicy == v1.SupplementalGroupsPolicyStrict && !room.StrictGroups {
		return &Rejection{"SupplementalGroupsPolicyNotSupported", "SupplementalGroupsPolicy=Strict is not supported in this node"}
	}
	if short := Short(pod, room); len(short) > 0 && !room.Critical {
		return short[0].rejection()
	}
	predicate := func(name, why string) *Rejection {
		return &Rejection{name, fmt.Sprintf("Predicate %s failed: %s", name, why)}
	}
	switch {
	case !room.AffinityMatches:
		return predicate("NodeAffinity", "node(s) didn't match Pod's node affinity/selector")
	case room.Taken.conflict(pod):
		return predicate("NodePorts", "node(s) didn't have free ports for the requested pod ports")
	case !room.Tolerated:
		return predicate("TaintToleration", "node(s) had taints that the pod didn't tolerate")
	case room.AppArmor != "":
		return &Rejection{"AppArmor", "Cannot enforce AppArmor: " + room.AppArmor}
	}
	return nil
}

// Shortage is a resource of which less is left on the node than a pod asks for:
// thousandths of CPU, whole units of everything else.
type Shortage struct {
	Resource         v1.ResourceName
	Asked, Used, Has int64
}

// Missing is how much more there would have to be.
func (s Shortage) Missing() int64 { return s.Asked - (s.Has - s.Used) }

func (s Shortage) rejection() *Rejection {
	return &Rejection{"OutOf" + string(s.Resource),
		fmt.Sprintf("Node didn't have enough resource: %s, requested: %d, used: %d, capacity: %d", s.Resource, s.Asked, s.Used, s.Has)}
}

// Short is what the pod asks for and the node has not left.
func Short(pod *v1.Pod, room Room) []Shortage {
	var out []Shortage
	if has := amount(v1.ResourcePods, room.Allocatable[v1.ResourcePods]); int64(room.Taken.Pods+1) > has {
		out = append(out, Shortage{v1.ResourcePods, 1, int64(room.Taken.Pods), has})
	}
	asked := requests(pod)
	names := []v1.ResourceName{v1.ResourceCPU, v1.ResourceMemory, v1.ResourceEphemeralStorage}
	for name := range asked {
		if _, known := room.Allocatable[name]; known && !slices.Contains(names, name) {
			names = append(names, name) // a resource that the node does not know is somebody else's to count
		}
	}
	slices.Sort(names[3:])
	for _, name := range names {
		want := amount(name, asked[name])
		if want == 0 {
			continue
		}
		used := room.Taken.asked[name]
		if has := amount(name, room.Allocatable[name]); want > has-used {
			out = append(out, Shortage{name, want, used, has})
		}
	}
	return out
}

// rejected is all that is ever said of a pod that the node did not take
// (upstream: rejectPod in pkg/kubelet/kubelet.go).
func rejected(pod *v1.Pod, old *v1.PodStatus, seen *Observed, now metav1.Time) Plan {
	var p Plan
	if Terminal(old.Phase) {
		p.Status = *old
	} else {
		p.Status = v1.PodStatus{QOSClass: pod.Status.QOSClass, Phase: v1.PodFailed, Reason: seen.Rejected.Reason,
			Message: "Pod was rejected: " + seen.Rejected.Message, StartTime: &now, ObservedGeneration: pod.Generation}
		for _, c := range pod.Status.Conditions {
			if !Owned(c.Type) {
				p.Status.Conditions = append(p.Status.Conditions, c)
			}
		}
		p.Events = []Event{{Type: v1.EventTypeWarning, Reason: seen.Rejected.Reason, Message: seen.Rejected.Message}}
	}
	p.Report = !seen.Gone
	finished(pod, seen, &p)
	return p
}
