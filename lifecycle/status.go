package lifecycle

import (
	"slices"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// What a pod that ran for too long is told (upstream:
// pkg/kubelet/active_deadline.go).
const (
	DeadlineExceeded        = "DeadlineExceeded"
	deadlineExceededMessage = "Pod was active on the node longer than the specified deadline"
)

// status makes the pod's status from what is seen; over: its phase is terminal,
// even if that is not yet said because something of it may still run (upstream:
// generateAPIPodStatus in pkg/kubelet/kubelet_pods.go, and the merge in
// pkg/kubelet/status/status_manager.go).
func status(pod *v1.Pod, old *v1.PodStatus, seen *Observed, p *Plan, st *starts) (s v1.PodStatus, over bool) {
	if seen.Cleaned && settled(old) {
		return *old, true // whatever is done to the pod from now on
	}
	now := second(metav1.NewTime(st.now))
	s = *old                                   // what others own stays; everything below is replaced, never changed in place
	if !Terminal(old.Phase) || !seen.Cleaned { // what is done to a pod that is over, the node no longer observes
		s.ObservedGeneration = pod.Generation
	}
	if s.StartTime == nil {
		s.StartTime = &now
	}
	addresses(pod, seen, &s)
	if s.Resources == nil || old.ObservedGeneration != pod.Generation || givenAnew(old, seen) {
		s.Resources, s.AllocatedResources = podResources(pod)
	}

	restarting := restartingAll(pod, old, seen)
	s.ContainerStatuses = containerStatuses(pod, seen, regular, pod.Spec.Containers, old.ContainerStatuses, restarting, p, st)
	s.InitContainerStatuses = containerStatuses(pod, seen, initial, pod.Spec.InitContainers, old.InitContainerStatuses, restarting, p, st)
	s.EphemeralContainerStatuses = containerStatuses(pod, seen, ephemeral, ephemeralSpecs(pod), old.EphemeralContainerStatuses, false, p, st)

	limitMessages(pod, &s)

	all := slices.Concat(s.InitContainerStatuses, s.ContainerStatuses)
	s.Phase = phase(pod, old, all, seen.Killed && !static(pod), regularActive(pod, seen))
	switch { // what was once said to be over stays so, and the way it was said
	case Terminal(old.Phase):
		s.Phase = old.Phase
	case Terminal(pod.Status.Phase):
		s.Phase = pod.Status.Phase
	}
	if s.Phase != old.Phase {
		s.Reason, s.Message = "", ""
	}
	if !Terminal(old.Phase) {
		end(pod, &s, seen, p, st.now)
	}
	s.Conditions = conditions(pod, old, &s, seen, now)
	if seen.Evict != nil && seen.Evict.Condition != nil && seen.Killed {
		c := *seen.Evict.Condition
		c.LastTransitionTime = transition(old, &c, now)
		s.Conditions = slices.DeleteFunc(s.Conditions, func(x v1.PodCondition) bool { return x.Type == c.Type })
		s.Conditions = append(s.Conditions, c)
	}

	if seen.Cleaned {
		settle(pod, seen, &s) // the conditions stay as the containers' own states made them
	}

	over = Terminal(s.Phase)
	if over && !Terminal(old.Phase) && !seen.Killed {
		// Nobody may think that the pod is over while something of it may still run.
		s.Phase, s.Reason, s.Message = old.Phase, old.Reason, old.Message
		if s.Phase == "" {
			s.Phase = v1.PodPending
		}
	}
	return s, over || seen.Evict != nil
}

// end applies what ends a pod from outside its containers: eviction, or its deadline.
func end(pod *v1.Pod, s *v1.PodStatus, seen *Observed, p *Plan, now time.Time) {
	if seen.Evict != nil {
		// Until it has stopped it shows what it does, as if nothing were; and it has
		// succeeded if all its containers ended well when they were told to.
		if seen.Killed && s.Phase != v1.PodSucceeded {
			s.Phase, s.Reason, s.Message = v1.PodFailed, seen.Evict.Reason, seen.Evict.Message
		}
		return
	}
	if pod.Spec.ActiveDeadlineSeconds == nil {
		return
	}
	deadline := s.StartTime.Add(time.Duration(*pod.Spec.ActiveDeadlineSeconds) * time.Second)
	if now.Before(deadline) {
		p.wakeAt(deadline, "activeDeadlineSeconds")
		return
	}
	s.Phase, s.Reason, s.Message = v1.PodFailed, DeadlineExceeded, deadlineExceededMessage
	if !seen.Killed {
		p.Events = append(p.Events, Event{Type: v1.EventTypeNormal, Reason: DeadlineExceeded, Message: deadlineExceededMessage})
	}
}

// addresses fills in the node's and the pod's. A pod keeps the address it was
// seen with, so that its last status still tells where it was.
func addresses(pod *v1.Pod, seen *Observed, s *v1.PodStatus) {
	if len(seen.HostIPs) > 0 && (len(s.HostIPs) != len(seen.HostIPs) || s.HostIP != seen.HostIPs[0]) {
		s.HostIP, s.HostIPs = seen.HostIPs[0], nil
		for _, ip := range seen.HostIPs {
			s.HostIPs = append(s.HostIPs, v1.HostIP{IP: ip})
		}
	}
	ips := podIPs(pod, seen)
	if len(ips) == 0 || (len(s.PodIPs) == len(ips) && s.PodIP == ips[0]) {
		return
	}
	s.PodIP, s.PodIPs = ips[0], nil
	for _, ip := range ips {
		s.PodIPs = append(s.PodIPs, v1.PodIP{IP: ip})
	}
}

// settle is the last word on a pod: what never ran, or was lost, counts as
// failed (upstream: TerminatePod in pkg/kubelet/status/status_manager.go).
func settle(pod *v1.Pod, seen *Observed, s *v1.PodStatus) {
	const message = "The container could not be located when the pod was terminated"
	if wasInitialized(pod, seen, s) {
		for i := range s.ContainerStatuses {
			if c := &s.ContainerStatuses[i]; c.State.Terminated == nil {
				c.State = v1.ContainerState{Terminated: lost(message)}
			}
		}
	}
	// Init containers behind the last one that ever ran stay as they are: they were never due.
	last := 0
	for i, c := range s.InitContainerStatuses {
		if c.State.Waiting == nil || c.LastTerminationState.Terminated != nil {
			last = i
		}
	}
	for i := range s.InitContainerStatuses {
		if c := &s.InitContainerStatuses[i]; i <= last && c.State.Terminated == nil {
			c.State = v1.ContainerState{Terminated: lost(message)}
		}
	}
	if !Terminal(s.Phase) && !static(pod) {
		s.Phase, s.Reason, s.Message = v1.PodFailed, "", ""
	}
}

// settled: the pod is over, and the status says of each of its containers how it ended.
func settled(s *v1.PodStatus) bool {
	running := func(c v1.ContainerStatus) bool { return c.State.Terminated == nil }
	return Terminal(s.Phase) && len(s.ContainerStatuses) > 0 && !slices.ContainsFunc(s.ContainerStatuses, running) && !slices.ContainsFunc(s.InitContainerStatuses, running)
}

// wasInitialized: the regular containers were due to run, and not only because
// the node ended the init containers.
func wasInitialized(pod *v1.Pod, seen *Observed, s *v1.PodStatus) bool {
	n := len(pod.Spec.InitContainers)
	if n == 0 {
		return true
	}
	for _, c := range s.ContainerStatuses {
		if c.LastTerminationState.Terminated != nil || c.State.Waiting == nil {
			return true
		}
	}
	last := find(s.InitContainerStatuses, pod.Spec.InitContainers[n-1].Name)
	if last == nil {
		return false
	}
	if isSidecar(&pod.Spec.InitContainers[n-1]) {
		return last.State.Running != nil && last.Started != nil && *last.Started
	}
	e := ending(last)
	return e != nil && e.ExitCode == 0 && !seen.Stopped[last.ContainerID]
}

// regularActive: a regular container was started in the sandbox that is up now.
func regularActive(pod *v1.Pod, seen *Observed) bool {
	if len(seen.Sandboxes) == 0 || !seen.Sandboxes[0].Ready {
		return false
	}
	return slices.ContainsFunc(pod.Spec.Containers, func(c v1.Container) bool {
		return slices.ContainsFunc(seen.Containers, func(r Container) bool {
			return r.Name == c.Name && r.SandboxID == seen.Sandboxes[0].ID
		})
	})
}

func ephemeralSpecs(pod *v1.Pod) []v1.Container {
	var out []v1.Container
	for i := range pod.Spec.EphemeralContainers {
		out = append(out, v1.Container(pod.Spec.EphemeralContainers[i].EphemeralContainerCommon))
	}
	return out
}
