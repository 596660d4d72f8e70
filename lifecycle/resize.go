package lifecycle

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	v1 "k8s.io/api/core/v1"
)

// In-place resize of running containers (KEP-1287): the spec says what a
// container is to have, the runtime what it has. While they differ the pod has
// the condition PodResizeInProgress. A resize that the node has no room for
// waits with PodResizePending; until then the node takes the pod to ask for what
// it was given (WithResourcesOf).

// ResizeError is what the Event of a resize that did not work is called.
const ResizeError = "ResizeError"

// resizable are the resources that can change in a running container.
var resizable = []v1.ResourceName{v1.ResourceCPU, v1.ResourceMemory}

// resizes gives the resources in which a running container differs from what
// its spec asks for.
func resizes(c *v1.Container, r *Container) []v1.ResourceName {
	if r.State != Running || r.Resources == nil {
		return nil
	}
	var out []v1.ResourceName
	for _, name := range resizable {
		if differ(c.Resources.Requests, r.Resources.Requests, name) || differ(c.Resources.Limits, r.Resources.Limits, name) {
			out = append(out, name)
		}
	}
	return out
}

func differ(want, have v1.ResourceList, name v1.ResourceName) bool {
	w, asked := want[name]
	h, has := have[name]
	return asked != has || w.Cmp(h) != 0
}

func resizeContainer(c *v1.Container, r *Container) Action {
	return Action{Verb: ResizeContainer, Container: c.Name, ID: r.ID, Cause: "its resources in the spec have changed"}
}

// podResizes: the pod as a whole is to have other resources than its cgroup has
// (KEP-5419).
func podResizes(pod *v1.Pod, seen *Observed) bool {
	if pod.Spec.Resources == nil || seen.Given == nil {
		return false
	}
	return slices.ContainsFunc(resizable, func(name v1.ResourceName) bool {
		return differ(pod.Spec.Resources.Requests, seen.Given.Requests, name) || differ(pod.Spec.Resources.Limits, seen.Given.Limits, name)
	})
}

// resizing: the pod is being resized, or one of its containers.
func resizing(pod *v1.Pod, seen *Observed) bool {
	is := func(c *v1.Container) bool {
		r := seen.newest(c.Name)
		return r != nil && len(resizes(c, r)) > 0
	}
	for i := range pod.Spec.Containers {
		if is(&pod.Spec.Containers[i]) {
			return true
		}
	}
	for i := range pod.Spec.InitContainers {
		if is(&pod.Spec.InitContainers[i]) {
			return true
		}
	}
	return podResizes(pod, seen)
}

// restartToResize: the container has to run anew to get what it is to have
// (its resizePolicy).
func restartToResize(c *v1.Container, names []v1.ResourceName) bool {
	for _, p := range c.ResizePolicy {
		for _, name := range names {
			if p.ResourceName == name && p.RestartPolicy == v1.RestartContainer {
				return true
			}
		}
	}
	return false
}

// resizeConditions are there only for as long as they say something.
func resizeConditions(pod *v1.Pod, seen *Observed) []v1.PodCondition {
	var out []v1.PodCondition
	if seen.Resize != nil {
		out = append(out, v1.PodCondition{Type: v1.PodResizePending, Status: v1.ConditionTrue, Reason: seen.Resize.Reason, Message: seen.Resize.Message})
	}
	if resizing(pod, seen) {
		c := v1.PodCondition{Type: v1.PodResizeInProgress, Status: v1.ConditionTrue}
		for _, f := range seen.Failures {
			if f.Reason == ResizeError {
				c.Reason, c.Message = v1.PodReasonError, f.Message
			}
		}
		out = append(out, c)
	}
	return out
}

// resizeInto adds the resizes that are due to the pass.
func (t *todo) resizeInto(p *Plan, seen *Observed, now time.Time) {
	for _, a := range t.resize {
		if f := seen.Failures[a.Container]; f != nil && f.Reason == ResizeError && now.Before(f.retryAt()) {
			p.wakeAt(f.retryAt(), "resize of container "+a.Container+" is tried again")
			continue
		}
		p.Actions = append(p.Actions, a)
	}
}

// resizeEvents tell of a resize that begins, ends or waits with this status
// (upstream: pkg/kubelet/events/resize.go). One that changes nothing that runs
// begins and ends at once.
func resizeEvents(pod *v1.Pod, old, s *v1.PodStatus, seen *Observed) []Event {
	var out []Event
	say := func(kind, reason, what, trouble string, pod *v1.Pod) {
		out = append(out, Event{Type: kind, Reason: reason, Message: fmt.Sprintf("%s: %s", what, resizeSummary(pod, trouble))})
	}
	waited, waits := Condition(old, v1.PodResizePending) != nil, Condition(s, v1.PodResizePending) != nil
	if waits && !waited {
		say(v1.EventTypeWarning, "Resize"+seen.Resize.Reason, "Pod resize "+seen.Resize.Reason, seen.Resize.Message, seen.Asked)
	}
	begins := givenAnew(old, seen)
	if begins {
		say(v1.EventTypeNormal, "ResizeStarted", "Pod resize started", "", pod)
	}
	if before, now := Condition(old, v1.PodResizeInProgress) != nil, Condition(s, v1.PodResizeInProgress) != nil; (before || begins) && !now {
		say(v1.EventTypeNormal, "ResizeCompleted", "Pod resize completed", "", pod)
	}
	return out
}

// givenAnew: since the old status the pod was given other resources, be it at once
// when it asked for them or after a while.
func givenAnew(old *v1.PodStatus, seen *Observed) bool {
	return old.ObservedGeneration > 0 && old.ObservedGeneration < seen.Resized ||
		seen.Resize == nil && Condition(old, v1.PodResizePending) != nil && old.ObservedGeneration <= seen.Resized
}

// resizeSummary is what the pod is to have, as upstream's Events tell it.
func resizeSummary(pod *v1.Pod, trouble string) string {
	type container struct {
		Name      string                  `json:"name"`
		Resources v1.ResourceRequirements `json:"resources"`
	}
	summary := struct {
		InitContainers []container `json:"initContainers,omitempty"`
		Containers     []container `json:"containers"`
		Generation     int64       `json:"generation"`
		Error          string      `json:"error,omitempty"`
	}{Generation: pod.Generation, Error: trouble}
	for _, c := range pod.Spec.InitContainers {
		summary.InitContainers = append(summary.InitContainers, container{c.Name, c.Resources})
	}
	for _, c := range pod.Spec.Containers {
		summary.Containers = append(summary.Containers, container{c.Name, c.Resources})
	}
	raw, err := json.Marshal(summary)
	if err != nil {
		return err.Error()
	}
	return string(raw)
}

// Resize says why a resize of the pod has to wait, nil if the node has the room
// (upstream: pkg/kubelet/allocation).
func Resize(pod *v1.Pod, room Room) *Rejection {
	alone := room
	alone.Taken = Use{}
	if short := Short(pod, alone); len(short) > 0 {
		return &Rejection{v1.PodReasonInfeasible, short[0].rejection().Message}
	}
	if short := Short(pod, room); len(short) > 0 {
		return &Rejection{v1.PodReasonDeferred, short[0].rejection().Message}
	}
	return nil
}
