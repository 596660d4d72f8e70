package lifecycle

import v1 "k8s.io/api/core/v1"

// phase sums the containers up into the pod's phase (upstream: getPhase in
// pkg/kubelet/kubelet_pods.go). ended: nothing of the pod will run again,
// whatever its restart policy says. Whether a sidecar has started counts as it was
// reported last: upstream's phase is one report behind its probes.
func phase(pod *v1.Pod, old *v1.PodStatus, statuses []v1.ContainerStatus, ended, hasInitialized bool) v1.PodPhase {
	pendingInit, pendingSidecars, failedInit := 0, 0, 0
	unknown, running, waiting, stopped, stoppedForGood, succeeded := 0, 0, 0, 0, 0, 0

	for i := range pod.Spec.InitContainers {
		c := &pod.Spec.InitContainers[i]
		s := find(statuses, c.Name)
		if isSidecar(c) {
			switch {
			case s == nil:
				unknown++
			case s.State.Running != nil:
				if w := find(old.InitContainerStatuses, c.Name); w == nil || w.Started == nil || !*w.Started {
					pendingSidecars++
				}
				running++
			case s.State.Terminated != nil, s.State.Waiting != nil && s.LastTerminationState.Terminated != nil:
				// a sidecar that ended says nothing about the phase
			case s.State.Waiting != nil:
				pendingSidecars++
				waiting++
			default:
				pendingSidecars++
				unknown++
			}
			continue
		}
		end := ending(s)
		switch {
		case end == nil:
			pendingInit++
		case end.ExitCode != 0 && !runsAgain(pod, c, end):
			failedInit++
		}
	}
	for i := range pod.Spec.Containers {
		c := &pod.Spec.Containers[i]
		s := find(statuses, c.Name)
		switch end := ending(s); {
		case s == nil:
			unknown++
		case s.State.Running != nil:
			running++
		case end != nil:
			stopped++
			if !runsAgain(pod, c, end) {
				stoppedForGood++
			}
			if s.State.Terminated != nil && end.ExitCode == 0 {
				succeeded++
			}
		case s.State.Waiting != nil:
			waiting++
		default:
			unknown++
		}
	}

	switch {
	case failedInit > 0:
		return v1.PodFailed
	case pendingInit > 0, pendingSidecars > 0 && !hasInitialized, waiting > 0:
		return v1.PodPending
	case running > 0 && unknown == 0:
		return v1.PodRunning
	case running == 0 && stopped > 0 && unknown == 0:
		if !ended && stopped != stoppedForGood {
			return v1.PodRunning // at least one of them is about to run again
		}
		if stopped == succeeded {
			return v1.PodSucceeded
		}
		return v1.PodFailed
	}
	return v1.PodPending
}

// ending is how the container ended, if it is not running: now, or the last
// time before it began to wait.
func ending(s *v1.ContainerStatus) *v1.ContainerStateTerminated {
	switch {
	case s == nil:
		return nil
	case s.State.Terminated != nil:
		return s.State.Terminated
	case s.State.Waiting != nil:
		return s.LastTerminationState.Terminated
	}
	return nil
}

// runsAgain: by its restart policy, or because all of them do.
func runsAgain(pod *v1.Pod, c *v1.Container, end *v1.ContainerStateTerminated) bool {
	return end.Reason == RestartingAllContainers || shouldRestart(pod, c, end.ExitCode)
}

// static: the pod is from a file of the node's, not from the API. Such a pod ends
// without a word of how (upstream: kubernetes/kubernetes#116484): what shows it
// in the API goes with it.
func static(pod *v1.Pod) bool {
	source, told := pod.Annotations[sourceAnnotation]
	return told && source != "api"
}

// sourceAnnotation says where a pod is from (upstream: pkg/kubelet/types/pod_update.go).
const sourceAnnotation = "kubernetes.io/config.source"

// Terminal: the pod is over, and stays so.
func Terminal(p v1.PodPhase) bool { return p == v1.PodSucceeded || p == v1.PodFailed }
