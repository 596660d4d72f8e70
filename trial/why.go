package trial

import (
	"fmt"
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"
)

// why says in one line what keeps a pod where it is, or has brought it there.
func why(pod *v1.Pod) string {
	s := pod.Status
	if s.Reason != "" {
		return because(s.Reason, s.Message)
	}
	for _, c := range containers(pod) {
		if w := c.State.Waiting; w != nil && w.Reason != "" && w.Reason != "ContainerCreating" && w.Reason != "PodInitializing" {
			return because(w.Reason, w.Message)
		}
	}
	for _, c := range containers(pod) {
		if t := c.State.Terminated; t != nil && t.ExitCode != 0 {
			return because(fmt.Sprintf("container %s: %s, exit code %d", c.Name, t.Reason, t.ExitCode), t.Message)
		}
	}
	// From what must come first to what comes last.
	for _, kind := range []v1.PodConditionType{v1.PodScheduled, v1.PodReadyToStartContainers, v1.PodInitialized} {
		if c := condition(pod, kind); c.Status == v1.ConditionFalse && c.Reason != "" {
			return because(c.Reason, c.Message)
		}
	}
	for _, c := range containers(pod) {
		if w := c.State.Waiting; w != nil && w.Reason != "" {
			return because(w.Reason, w.Message)
		}
	}
	if c := condition(pod, v1.PodReady); c.Status == v1.ConditionFalse && c.Reason != "" {
		return because(c.Reason, c.Message)
	}
	return "is " + string(s.Phase)
}

// unschedulable says that no node takes the pod as things are.
func unschedulable(pod *v1.Pod) bool {
	c := condition(pod, v1.PodScheduled)
	return c.Status == v1.ConditionFalse && c.Reason == v1.PodReasonUnschedulable
}

func because(reason, message string) string {
	if message = strings.Join(strings.Fields(message), " "); message == "" {
		return reason
	}
	return reason + ": " + message
}

func containers(pod *v1.Pod) []v1.ContainerStatus {
	return slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses)
}

func condition(pod *v1.Pod, kind v1.PodConditionType) v1.PodCondition {
	for _, c := range pod.Status.Conditions {
		if c.Type == kind {
			return c
		}
	}
	return v1.PodCondition{}
}
