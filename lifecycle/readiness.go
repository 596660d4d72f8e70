package lifecycle

import (
	"cmp"
	"slices"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// setReadiness fills in started and ready from the probes (upstream:
// UpdatePodStatus in pkg/kubelet/prober/prober_manager.go). What was reported of
// the same container holds until a probe says otherwise, so that a restart of
// the node changes nothing.
//
// A container that was replaced before anybody heard of its end looks started, as
// the one before it did, in the status that tells of it, and only there: inherited
// (upstream: convertToAPIContainerStatuses in pkg/kubelet/kubelet_pods.go).
func setReadiness(seen *Observed, k kind, c *v1.Container, was *v1.ContainerStatus, s *v1.ContainerStatus) (inherited bool) {
	if k == ephemeral {
		return false // never ready, never "started": nothing waits for it
	}
	probes, same := seen.Probes[s.ContainerID], was != nil && was.ContainerID == s.ContainerID
	up := s.State.Running != nil
	started := up
	if up && c.StartupProbe != nil {
		older := s.State.Running.StartedAt.Time.Before(seen.Since)
		started = was != nil && was.Started != nil && *was.Started && (!same || older)
		inherited = started && !same
		if probes.Started != nil {
			started, inherited = *probes.Started, false
		}
	}
	s.Started = &started
	if !started || (k == initial && !isSidecar(c)) {
		return inherited
	}
	s.Ready = c.ReadinessProbe == nil
	if c.ReadinessProbe != nil {
		s.Ready = same && was.Ready
		if probes.Ready != nil {
			s.Ready = *probes.Ready
		}
	}
	return inherited
}

// probed puts what probes have found out since into a status that was reported
// before: of containers that it shows as running, and the pod's readiness with
// them. So readiness is told while the node is busy with the pod, also while it
// ends it (upstream: SetContainerReadiness and SetContainerStartup in
// pkg/kubelet/status/status_manager.go).
func probed(pod *v1.Pod, old *v1.PodStatus, seen *Observed, now time.Time) (s v1.PodStatus, changed bool) {
	s = *old
	for _, list := range []*[]v1.ContainerStatus{&s.InitContainerStatuses, &s.ContainerStatuses} {
		for i := range *list {
			was := &(*list)[i]
			started, ready := was.Started, was.Ready
			if probes := seen.Probes[was.ContainerID]; was.State.Running != nil {
				started, ready = cmp.Or(probes.Started, started), *cmp.Or(probes.Ready, &ready)
			}
			if ready == was.Ready && (started == was.Started || *started == *was.Started) {
				continue
			}
			if !changed {
				s.InitContainerStatuses, s.ContainerStatuses = slices.Clone(s.InitContainerStatuses), slices.Clone(s.ContainerStatuses)
				changed = true
			}
			(*list)[i].Started, (*list)[i].Ready = started, ready
		}
	}
	if !changed {
		return s, false
	}
	all := slices.Concat(s.InitContainerStatuses, s.ContainerStatuses)
	containers := containersReady(pod, all, s.Phase)
	s.Conditions = slices.Clone(s.Conditions)
	for _, c := range []v1.PodCondition{podReady(pod, containers, s.Conditions), containers} {
		c.ObservedGeneration = pod.Generation
		c.LastTransitionTime = transition(old, &c, second(metav1.NewTime(now)))
		for i := range s.Conditions {
			if s.Conditions[i].Type == c.Type {
				s.Conditions[i] = c
			}
		}
	}
	return s, true
}
