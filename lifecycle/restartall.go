package lifecycle

import (
	"slices"

	v1 "k8s.io/api/core/v1"
)

// A container that ends with an exit code for which its restartPolicyRules say
// RestartAllContainers makes the whole pod run again in place: in its sandbox,
// with its volumes, init containers first (KEP-5532). For that every container is
// ended and removed from the runtime, so that nothing of them holds the next run
// back; the condition AllContainersRestarting is True for as long as it takes.

// The words of it (upstream: pkg/kubelet/status/generate.go and
// pkg/kubelet/kubelet_pods.go).
const (
	RestartAllContainersStarted    = "RestartAllContainersStarted"
	RestartingAllContainers        = "RestartingAllContainers"
	restartAllStartedMessage       = "container exited with restart policy rule"
	restartingAllContainersMessage = "The container is removed because RestartAllContainers in place"
)

// restartable are the containers that run again together: all but the ephemeral ones.
func restartable(pod *v1.Pod) [][]v1.Container {
	return [][]v1.Container{pod.Spec.InitContainers, pod.Spec.Containers}
}

// couldRestartAll: some container has such a rule (upstream:
// AllContainersCouldRestart in pkg/api/v1/pod/util.go).
func couldRestartAll(pod *v1.Pod) bool {
	for _, list := range restartable(pod) {
		for i := range list {
			for _, rule := range list[i].RestartPolicyRules {
				if rule.Action == v1.ContainerRestartRuleActionRestartAllContainers {
					return true
				}
			}
		}
	}
	return false
}

// restartsAll: the container ended in a way for which its rules say so.
func restartsAll(c *v1.Container, exitCode int32) bool {
	rule := matchingRule(c, exitCode)
	return rule != nil && rule.Action == v1.ContainerRestartRuleActionRestartAllContainers
}

// restartingAll: the pod's containers are to be removed, or have just been
// (upstream: ShouldAllContainersRestart in pkg/kubelet/container/helpers.go).
func restartingAll(pod *v1.Pod, old *v1.PodStatus, seen *Observed) bool {
	if !couldRestartAll(pod) {
		return false
	}
	if was(old, v1.AllContainersRestarting) {
		return true
	}
	for _, list := range restartable(pod) {
		for i := range list {
			if n := seen.newest(list[i].Name); n != nil && n.State == Exited && restartsAll(&list[i], n.ExitCode) {
				return true
			}
		}
	}
	return false
}

// allRemoved: the runtime has none of them any more.
func allRemoved(pod *v1.Pod, seen *Observed) bool {
	for _, list := range restartable(pod) {
		if slices.ContainsFunc(list, func(c v1.Container) bool { return seen.newest(c.Name) != nil }) {
			return false
		}
	}
	return true
}

// restartAllCondition is there for every pod that could restart so.
func restartAllCondition(pod *v1.Pod, old *v1.PodStatus, seen *Observed, phase v1.PodPhase) []v1.PodCondition {
	if !couldRestartAll(pod) {
		return nil
	}
	c := v1.PodCondition{Type: v1.AllContainersRestarting, Status: v1.ConditionFalse}
	switch {
	case phase == v1.PodSucceeded:
		c.Reason = PodCompleted
	case phase == v1.PodFailed:
		c.Reason = PodFailed
	case restartingAll(pod, old, seen) && !allRemoved(pod, seen):
		c.Status, c.Reason, c.Message = v1.ConditionTrue, RestartAllContainersStarted, restartAllStartedMessage
	}
	return []v1.PodCondition{c}
}

// removed is the status of a container that was taken away to run again with all others.
func removed(s v1.ContainerStatus, was *v1.ContainerStatus) v1.ContainerStatus {
	wait(&s, RestartingAllContainers, restartingAllContainersMessage)
	s.LastTerminationState.Terminated = &v1.ContainerStateTerminated{Reason: RestartingAllContainers, Message: restartingAllContainersMessage, ExitCode: 137}
	s.RestartCount = was.RestartCount + 1
	return s
}

// removeAll are the actions that take every container away, those last whose end
// brought it about, so that a node that starts anew half-way still finds the
// reason to go on (upstream: getContainersToReset in
// pkg/kubelet/kuberuntime/kuberuntime_manager.go).
func removeAll(pod *v1.Pod, seen *Observed) []Action {
	var others, sources []Action
	for _, list := range [][]v1.Container{pod.Spec.Containers, pod.Spec.InitContainers} {
		for i := range list {
			c := &list[i]
			for _, r := range seen.Containers {
				if r.Name != c.Name {
					continue
				}
				a := Action{Verb: RemoveContainer, Container: c.Name, ID: r.ID, Message: "killing", Needed: true,
					Cause: "all containers are to run again"}
				if r.State == Exited && restartsAll(c, r.ExitCode) {
					sources = append(sources, a)
				} else {
					others = append(others, a)
				}
			}
		}
	}
	return append(others, sources...)
}
