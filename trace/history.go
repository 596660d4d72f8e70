package trace

import (
	"slices"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// History is what a pod tells of what happened to it, in order: when it was made, each condition's
// last transition, each container's starts and ends as far as the status still has them. What came in
// between is forgotten by then. The times are those of the API, cut to whole seconds; what falls into
// one second is in the order in which pods go through it. now is what Since counts from.
func History(pod *v1.Pod, now time.Time) []Event {
	var out []Event
	add := func(at metav1.Time, c Change) {
		if !at.IsZero() {
			out = append(out, Event{Time: at.Time, Since: at.Sub(now), Type: Past, Pod: pod, Changes: []Change{c}})
		}
	}
	whole := func(at *metav1.Time, field, is string) {
		if at != nil {
			add(*at, Change{Part: Whole, Field: field, Is: is})
		}
	}
	whole(&pod.CreationTimestamp, "created", moment(&pod.CreationTimestamp))
	condition := func(kinds ...v1.PodConditionType) {
		for _, c := range pod.Status.Conditions {
			if slices.Contains(kinds, c.Type) {
				add(c.LastTransitionTime, Change{Part: Condition, Name: string(c.Type), Field: "status", Is: string(c.Status), Detail: sentence(c.Reason, c.Message)})
			}
		}
	}
	condition(v1.PodScheduled)
	whole(pod.Status.StartTime, "startTime", moment(pod.Status.StartTime))
	condition(v1.PodReadyToStartContainers)
	containers := func(part Part, statuses []v1.ContainerStatus) {
		for i := range statuses {
			s := &statuses[i]
			for _, state := range []v1.ContainerState{s.LastTerminationState, s.State} {
				pastState(part, s, state, add)
			}
		}
	}
	containers(InitContainer, pod.Status.InitContainerStatuses)
	condition(v1.PodInitialized)
	containers(Container, pod.Status.ContainerStatuses)
	containers(EphemeralContainer, pod.Status.EphemeralContainerStatuses)
	condition(v1.ContainersReady, v1.PodReady)
	for _, c := range pod.Status.Conditions {
		if !slices.Contains(usual, c.Type) {
			condition(c.Type)
		}
	}
	whole(deletion(pod), "deletionTimestamp", moment(pod.DeletionTimestamp))
	slices.SortStableFunc(out, func(a, b Event) int { return a.Time.Compare(b.Time) })
	return out
}

var usual = []v1.PodConditionType{v1.PodScheduled, v1.PodReadyToStartContainers, v1.PodInitialized, v1.ContainersReady, v1.PodReady}

// pastState adds the start and the end that a container's state tells of.
func pastState(part Part, s *v1.ContainerStatus, state v1.ContainerState, add func(metav1.Time, Change)) {
	change := Change{Part: part, Name: s.Name, Field: "state"}
	switch {
	case state.Running != nil:
		change.Is = "running"
		add(state.Running.StartedAt, change)
	case state.Terminated != nil:
		t := state.Terminated
		change.Is = "running"
		add(t.StartedAt, change)
		change.Is = "terminated"
		change.Detail = ended(t)
		add(t.FinishedAt, change)
	}
}

// deletion is when the deletion was asked for: the timestamp is when the grace period ends.
func deletion(pod *v1.Pod) *metav1.Time {
	if pod.DeletionTimestamp == nil {
		return nil
	}
	at := *pod.DeletionTimestamp
	if grace := pod.DeletionGracePeriodSeconds; grace != nil {
		at = metav1.NewTime(at.Add(-time.Duration(*grace) * time.Second))
	}
	return &at
}
