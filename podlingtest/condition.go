package podlingtest

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"
)

// Condition is what a pod is waited for to be: nil says that it is, an error why it
// is not yet. The pod is nil while there is none of that name.
type Condition func(pod *v1.Pod) error

// Never says that what is waited for cannot come any more, so that nobody waits.
func Never(err error) error { return never{err} }

type never struct{ error }

func (n never) Unwrap() error { return n.error }

var errNoPod = errors.New("there is no such pod")

// Ready is a pod whose condition Ready is True.
func Ready(pod *v1.Pod) error {
	switch {
	case pod == nil:
		return errNoPod
	case over(pod):
		return Never(fmt.Errorf("it has ended, %s", describe(pod)))
	}
	for _, c := range pod.Status.Conditions {
		if c.Type == v1.PodReady && c.Status == v1.ConditionTrue {
			return nil
		}
	}
	return fmt.Errorf("it is not ready, %s", describe(pod))
}

// Running is a pod in that phase, ready or not.
func Running(pod *v1.Pod) error { return inPhase(pod, v1.PodRunning) }

// Succeeded is a pod whose containers have all ended, and well.
func Succeeded(pod *v1.Pod) error { return inPhase(pod, v1.PodSucceeded) }

// Failed is a pod that has ended, and not well.
func Failed(pod *v1.Pod) error { return inPhase(pod, v1.PodFailed) }

func inPhase(pod *v1.Pod, phase v1.PodPhase) error {
	switch {
	case pod == nil:
		return errNoPod
	case pod.Status.Phase == phase:
		return nil
	case over(pod):
		return Never(fmt.Errorf("it has ended, %s", describe(pod)))
	}
	return fmt.Errorf("it is %s", describe(pod))
}

// Gone is a pod that is not there any more, or was never there.
func Gone(pod *v1.Pod) error {
	if pod == nil {
		return nil
	}
	if pod.DeletionTimestamp == nil {
		return fmt.Errorf("nobody has deleted it, it is %s", describe(pod))
	}
	return fmt.Errorf("it is being deleted, it is %s", describe(pod))
}

// Waiting is a pod with a container that waits for that reason: CrashLoopBackOff,
// ImagePullBackOff, CreateContainerConfigError.
func Waiting(reason string) Condition {
	return anyContainer("waits with "+reason, func(s *v1.ContainerStatus) bool {
		return s.State.Waiting != nil && s.State.Waiting.Reason == reason
	})
}

// Terminated is a pod with a container that has ended for that reason, in this run or
// the one before: OOMKilled, Error, Completed.
func Terminated(reason string) Condition {
	return anyContainer("has ended with "+reason, func(s *v1.ContainerStatus) bool {
		is := func(t *v1.ContainerStateTerminated) bool { return t != nil && t.Reason == reason }
		return is(s.State.Terminated) || is(s.LastTerminationState.Terminated)
	})
}

// Restarts is a pod with a container that was restarted at least n times.
func Restarts(n int32) Condition {
	return anyContainer(fmt.Sprintf("was restarted %d times", n), func(s *v1.ContainerStatus) bool { return s.RestartCount >= n })
}

// Not is a pod that is there, and of which the condition does not hold.
func Not(c Condition) Condition {
	return func(pod *v1.Pod) error {
		if pod == nil {
			return errNoPod
		}
		if c(pod) == nil {
			return fmt.Errorf("it still is, %s", describe(pod))
		}
		return nil
	}
}

func anyContainer(what string, holds func(*v1.ContainerStatus) bool) Condition {
	return func(pod *v1.Pod) error {
		if pod == nil {
			return errNoPod
		}
		for _, s := range containers(pod) {
			if holds(&s) {
				return nil
			}
		}
		err := fmt.Errorf("no container %s, it is %s", what, describe(pod))
		if over(pod) {
			return Never(err)
		}
		return err
	}
}

func over(pod *v1.Pod) bool {
	return pod.Status.Phase == v1.PodSucceeded || pod.Status.Phase == v1.PodFailed
}

func containers(pod *v1.Pod) []v1.ContainerStatus {
	return slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses, pod.Status.EphemeralContainerStatuses)
}

// describe is a pod's state in a few words.
func describe(pod *v1.Pod) string {
	words := string(pod.Status.Phase)
	if pod.Status.Reason != "" {
		words += " (" + pod.Status.Reason + ")"
	}
	var more []string
	for _, s := range containers(pod) {
		switch {
		case s.State.Waiting != nil:
			more = append(more, fmt.Sprintf("%s waits with %s", s.Name, s.State.Waiting.Reason))
		case s.State.Terminated != nil:
			more = append(more, fmt.Sprintf("%s has ended with %s, exit code %d", s.Name, s.State.Terminated.Reason, s.State.Terminated.ExitCode))
		case s.State.Running != nil && !s.Ready:
			more = append(more, s.Name+" runs and is not ready")
		}
	}
	for _, c := range pod.Status.Conditions {
		if len(more) == 0 && c.Type == v1.PodScheduled && c.Status == v1.ConditionFalse {
			more = append(more, fmt.Sprintf("not scheduled, %s: %s", c.Reason, c.Message))
		}
	}
	if len(more) == 0 {
		return words
	}
	return words + ": " + strings.Join(more, ", ")
}
