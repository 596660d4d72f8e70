package lifecycle

import (
	"fmt"
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The reasons of the conditions that the node owns (upstream:
// pkg/kubelet/status/generate.go).
const (
	PodCompleted             = "PodCompleted"
	PodFailed                = "PodFailed"
	ContainersNotReady       = "ContainersNotReady"
	ContainersNotInitialized = "ContainersNotInitialized"
	ReadinessGatesNotReady   = "ReadinessGatesNotReady"
	UnknownContainerStatuses = "UnknownContainerStatuses"
)

// owned are the conditions that the node writes; everybody else's are left as
// they are (upstream: PodConditionsByKubelet in pkg/kubelet/types).
var owned = []v1.PodConditionType{
	v1.PodReadyToStartContainers, v1.PodInitialized, v1.PodReady, v1.ContainersReady, v1.PodScheduled,
	v1.PodResizeInProgress, v1.PodResizePending, v1.AllContainersRestarting,
}

// Owned says whether the node writes conditions of that type.
func Owned(t v1.PodConditionType) bool { return slices.Contains(owned, t) }

// conditions makes the list in upstream's order: others' first, then the node's.
func conditions(pod *v1.Pod, old *v1.PodStatus, s *v1.PodStatus, seen *Observed, now metav1.Time) []v1.PodCondition {
	var out []v1.PodCondition
	for _, c := range pod.Status.Conditions {
		if !Owned(c.Type) {
			out = append(out, c)
		}
	}
	out = append(out, resizeConditions(pod, seen)...)
	all := slices.Concat(s.InitContainerStatuses, s.ContainerStatuses)
	ready := containersReady(pod, all, s.Phase)
	out = append(out,
		readyToStart(pod, seen),
		initialized(pod, old, all, s.Phase),
		podReady(pod, ready, out),
		ready,
		v1.PodCondition{Type: v1.PodScheduled, Status: v1.ConditionTrue},
	)
	out = append(out, restartAllCondition(pod, old, seen, s.Phase)...)
	for i := range out {
		if Owned(out[i].Type) {
			out[i].ObservedGeneration = s.ObservedGeneration
			out[i].LastTransitionTime = transition(old, &out[i], now)
		}
	}
	return out
}

// transition is when the condition got the status that it has.
func transition(old *v1.PodStatus, c *v1.PodCondition, now metav1.Time) metav1.Time {
	if was := Condition(old, c.Type); was != nil && was.Status == c.Status && !was.LastTransitionTime.IsZero() {
		return was.LastTransitionTime
	}
	return now
}

// Condition is the condition of that type, or nil.
func Condition(s *v1.PodStatus, t v1.PodConditionType) *v1.PodCondition {
	for i := range s.Conditions {
		if s.Conditions[i].Type == t {
			return &s.Conditions[i]
		}
	}
	return nil
}

func was(old *v1.PodStatus, t v1.PodConditionType) bool {
	c := Condition(old, t)
	return c != nil && c.Status == v1.ConditionTrue
}

// readyToStart: the sandbox is there, with its network (KEP-3085). When it could
// not be made, podling says why in the condition; upstream does not.
func readyToStart(pod *v1.Pod, seen *Observed) v1.PodCondition {
	c := v1.PodCondition{Type: v1.PodReadyToStartContainers, Status: v1.ConditionTrue}
	if needed, _, _ := sandboxNeeded(pod, seen); !needed {
		return c
	}
	c.Status = v1.ConditionFalse
	switch {
	case seen.Killed:
	case seen.Network != "" && !pod.Spec.HostNetwork:
		c.Reason, c.Message = NetworkPluginNotReady, "network is not ready: "+seen.Network
	case seen.Sandbox != nil:
		c.Reason, c.Message = seen.Sandbox.Reason, seen.Sandbox.Message
	}
	return c
}

// initialized: every init container has done its part. Once true it stays true,
// even while init containers run again in a new sandbox.
func initialized(pod *v1.Pod, old *v1.PodStatus, statuses []v1.ContainerStatus, phase v1.PodPhase) v1.PodCondition {
	c := v1.PodCondition{Type: v1.PodInitialized, Status: v1.ConditionTrue}
	var unknown, incomplete []string
	for i := range pod.Spec.InitContainers {
		spec := &pod.Spec.InitContainers[i]
		switch s := find(statuses, spec.Name); {
		case s == nil:
			unknown = append(unknown, spec.Name)
		case isSidecar(spec) && (s.Started == nil || !*s.Started), !isSidecar(spec) && !s.Ready:
			incomplete = append(incomplete, spec.Name)
		}
	}
	switch {
	case phase == v1.PodSucceeded && len(unknown) == 0:
		c.Reason = PodCompleted
	case len(statuses) == 0 && len(pod.Spec.InitContainers) > 0:
		c.Status, c.Reason = v1.ConditionFalse, UnknownContainerStatuses
	case anyRegularStarted(pod, statuses):
	case was(old, v1.PodInitialized):
	case len(unknown)+len(incomplete) > 0:
		c.Status, c.Reason = v1.ConditionFalse, ContainersNotInitialized
		c.Message = sentence("unknown", unknown, "incomplete", incomplete)
	}
	return c
}

func containersReady(pod *v1.Pod, statuses []v1.ContainerStatus, phase v1.PodPhase) v1.PodCondition {
	c := v1.PodCondition{Type: v1.ContainersReady, Status: v1.ConditionFalse}
	var unknown, unready []string
	check := func(spec *v1.Container) {
		switch s := find(statuses, spec.Name); {
		case s == nil:
			unknown = append(unknown, spec.Name)
		case !s.Ready:
			unready = append(unready, spec.Name)
		}
	}
	for i := range pod.Spec.InitContainers {
		if isSidecar(&pod.Spec.InitContainers[i]) {
			check(&pod.Spec.InitContainers[i])
		}
	}
	for i := range pod.Spec.Containers {
		check(&pod.Spec.Containers[i])
	}
	switch {
	case len(statuses) == 0:
		c.Reason = UnknownContainerStatuses
	case phase == v1.PodSucceeded && len(unknown) == 0:
		c.Reason = PodCompleted
	case phase == v1.PodFailed:
		c.Reason = PodFailed
	case len(unknown)+len(unready) > 0:
		c.Reason, c.Message = ContainersNotReady, sentence("unknown", unknown, "unready", unready)
	default:
		c.Status = v1.ConditionTrue
	}
	return c
}

// podReady: every container is ready and so is every readiness gate (KEP-580).
func podReady(pod *v1.Pod, containers v1.PodCondition, others []v1.PodCondition) v1.PodCondition {
	c := v1.PodCondition{Type: v1.PodReady, Status: containers.Status, Reason: containers.Reason, Message: containers.Message}
	if c.Status != v1.ConditionTrue {
		return c
	}
	var missing []string
	for _, gate := range pod.Spec.ReadinessGates {
		switch g := Condition(&v1.PodStatus{Conditions: others}, gate.ConditionType); {
		case g == nil:
			missing = append(missing, fmt.Sprintf("corresponding condition of pod readiness gate %q does not exist.", gate.ConditionType))
		case g.Status != v1.ConditionTrue:
			missing = append(missing, fmt.Sprintf("the status of pod readiness gate %q is not \"True\", but %v", gate.ConditionType, g.Status))
		}
	}
	if len(missing) > 0 {
		c.Status, c.Reason, c.Message = v1.ConditionFalse, ReadinessGatesNotReady, strings.Join(missing, ", ")
	}
	return c
}

func anyRegularStarted(pod *v1.Pod, statuses []v1.ContainerStatus) bool {
	return slices.ContainsFunc(pod.Spec.Containers, func(c v1.Container) bool {
		s := find(statuses, c.Name)
		return s != nil && (s.State.Running != nil || s.State.Terminated != nil)
	})
}

// sentence: "containers with unknown status: [a], containers with unready status: [b c]".
func sentence(first string, a []string, second string, b []string) string {
	var parts []string
	if len(a) > 0 {
		parts = append(parts, fmt.Sprintf("containers with %s status: %v", first, a))
	}
	if len(b) > 0 {
		parts = append(parts, fmt.Sprintf("containers with %s status: %v", second, b))
	}
	return strings.Join(parts, ", ")
}
