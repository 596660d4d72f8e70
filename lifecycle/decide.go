package lifecycle

import (
	"fmt"
	"strings"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Decide says what the pod's status is, what is to be done for it, and when to
// ask again. It reads nothing but its arguments, changes none of them, and
// gives the same answer to the same question.
//
// pod is the pod as the API has it; seen is what the node knows of it.
func Decide(pod *v1.Pod, seen Observed, now time.Time) Plan {
	old := seen.Reported
	if old == nil {
		old = &pod.Status
	}
	switch {
	case len(seen.Pass) > 0:
		return underway(pod, old, &seen, now)
	case seen.Rejected != nil:
		return rejected(pod, old, &seen, second(metav1.NewTime(now)))
	case seen.Reported == nil && Terminal(old.Phase) && len(seen.Containers)+len(seen.Sandboxes) == 0:
		return long(pod, old, &seen)
	}
	if until := settling(pod, old, &seen, now); !until.IsZero() && pod.DeletionTimestamp == nil && !seen.Gone && !seen.Killed && seen.Evict == nil {
		return Plan{Status: *old, Wake: until, Cause: "more is about to be heard of what just happened"}
	}
	var p Plan
	if seen.Containers = asShown(pod, old, &seen); hidden(&seen) {
		p.wakeAt(now, "that the container came up is reported first")
	}
	st := starts{now: now, clock: now}
	st.gather(pod, &seen)
	var over bool
	p.Status, over = status(pod, old, &seen, &p, &st)
	p.Report = !seen.Gone

	switch {
	case seen.Cleaned:
		finished(pod, &seen, &p)
	case seen.Killed:
		if f := seen.CleanUp; f != nil && now.Before(f.retryAt()) {
			p.Wake, p.Cause = f.retryAt(), "cleaning up is tried again"
			return p
		}
		p.Actions = []Action{{Verb: CleanUp, Cause: "every container has stopped"}}
	case seen.Gone, pod.DeletionTimestamp != nil, over:
		grace, cause := graceAndCause(pod, &seen, over)
		p.Actions = []Action{{Verb: KillPod, Grace: grace, Cause: cause}}
	default:
		if first, ok := startedFirst(old, &p.Status, &seen); ok {
			p.Status = first
			p.wakeAt(now, "that the container has started is reported first")
			return p
		}
		p.Events = append(p.Events, st.events...)
		p.Events = append(p.Events, backoffEvents(pod, &seen, old, &p.Status)...)
		p.Events = append(p.Events, resizeEvents(pod, old, &p.Status, &seen)...)
		sync(pod, old, &seen, &p, &st)
		return p
	}
	p.Wake, p.Cause = time.Time{}, "" // back-offs and deadlines are of no more interest
	return p
}

// long: the pod was over before this node process began, and the runtime has
// forgotten it. What its status says stands.
func long(pod *v1.Pod, old *v1.PodStatus, seen *Observed) Plan {
	p := Plan{Status: *old}
	if !seen.Cleaned {
		p.Actions = []Action{{Verb: CleanUp, Cause: "the pod is over"}}
		return p
	}
	finished(pod, seen, &p)
	return p
}

// finished: nothing of the pod is left on the node.
func finished(pod *v1.Pod, seen *Observed, p *Plan) {
	switch {
	case seen.Gone:
		p.Done = true
	case pod.DeletionTimestamp != nil:
		p.Actions = []Action{{Verb: DeletePod, Cause: "the pod was deleted and nothing of it is left on the node"}}
	}
}

// underway: a pass is being carried out. Nothing is reported meanwhile but that
// the sandbox is ready (upstream: OnPodSandboxReady in pkg/kubelet/kubelet.go) and
// what probes say, and nothing is begun; at most the pass is given up.
func underway(pod *v1.Pod, old *v1.PodStatus, seen *Observed, now time.Time) Plan {
	var p Plan
	p.Status = *old
	pass := seen.Pass[0]
	if needed, _, _ := sandboxNeeded(pod, seen); !needed && pass.Verb != KillPod && !seen.Gone {
		if c := Condition(old, v1.PodReadyToStartContainers); c != nil && c.Status != v1.ConditionTrue {
			p.Status, p.Report = sandboxReady(pod, old, now), true
		}
	}
	if s, changed := probed(pod, &p.Status, seen, now); changed && !seen.Gone {
		p.Status, p.Report = s, true
	}
	over := seen.Evict != nil
	if t := old.StartTime; t != nil && pod.Spec.ActiveDeadlineSeconds != nil {
		deadline := t.Add(time.Duration(*pod.Spec.ActiveDeadlineSeconds) * time.Second)
		if over = over || !now.Before(deadline); !over {
			p.wakeAt(deadline, "activeDeadlineSeconds")
		}
	}
	if !seen.Gone && pod.DeletionTimestamp == nil && !over {
		return p
	}
	switch pass.Verb {
	case KillPod:
		grace, _ := graceAndCause(pod, seen, over)
		p.Interrupt = grace < pass.Grace // somebody is in more of a hurry than when it began
	case CleanUp, DeletePod:
	default:
		p.Interrupt = true
	}
	return p
}

func sandboxReady(pod *v1.Pod, old *v1.PodStatus, now time.Time) v1.PodStatus {
	s := *old
	s.Conditions = make([]v1.PodCondition, len(old.Conditions))
	for i, c := range old.Conditions {
		if c.Type == v1.PodReadyToStartContainers {
			c = v1.PodCondition{Type: c.Type, Status: v1.ConditionTrue, ObservedGeneration: pod.Generation}
			c.LastTransitionTime = second(metav1.NewTime(now))
		}
		s.Conditions[i] = c
	}
	return s
}

// graceAndCause is how much time the pod's containers get, in seconds, and why they have to go.
func graceAndCause(pod *v1.Pod, seen *Observed, over bool) (grace int64, cause string) {
	switch {
	case seen.Gone:
		return 0, "the pod is gone from the API"
	case seen.Evict != nil && seen.Evict.Grace != nil:
		return *seen.Evict.Grace, seen.Evict.Message
	case pod.DeletionTimestamp != nil:
		return Grace(pod), "the pod was deleted"
	case over:
		return Grace(pod), "the pod is over"
	}
	return Grace(pod), "the pod ends"
}

// Grace is the time between SIGTERM and SIGKILL in seconds (upstream:
// setTerminationGracePeriod in pkg/kubelet/kuberuntime/kuberuntime_container.go).
func Grace(pod *v1.Pod) int64 {
	switch {
	case pod.DeletionGracePeriodSeconds != nil:
		return *pod.DeletionGracePeriodSeconds
	case pod.Spec.TerminationGracePeriodSeconds != nil:
		return *pod.Spec.TerminationGracePeriodSeconds
	}
	return MinimumGrace
}

// MinimumGrace is the least time a container gets to end by itself, in seconds
// (upstream: minimumGracePeriodInSeconds in pkg/kubelet/kuberuntime).
const MinimumGrace = 2

// backoffEvents are the Events of the back-offs that begin with this status.
func backoffEvents(pod *v1.Pod, seen *Observed, old, s *v1.PodStatus) []Event {
	var out []Event
	begin := func(was, is []v1.ContainerStatus) {
		for i := range is {
			c := &is[i]
			if c.State.Waiting == nil {
				continue
			}
			if w := find(was, c.Name); w != nil && w.State.Waiting != nil && w.State.Waiting.Reason == c.State.Waiting.Reason {
				continue
			}
			switch c.State.Waiting.Reason {
			case CrashLoopBackOff:
				out = append(out, crashLoop(pod, c.Name))
			case ImagePullBackOff:
				what, _, _ := strings.Cut(c.State.Waiting.Message, ": ") // without what went wrong the last time
				whose := c.Name
				if f := seen.Failures[c.Name]; f != nil && f.Pull != f.Image {
					whose = "" // the image of a volume, which is the pod's
				}
				out = append(out, Event{Type: v1.EventTypeNormal, Reason: "BackOff", Container: whose, Message: what},
					Event{Type: v1.EventTypeWarning, Reason: "Failed", Container: c.Name, Message: "Error: " + ImagePullBackOff})
			}
		}
	}
	begin(old.InitContainerStatuses, s.InitContainerStatuses)
	begin(old.ContainerStatuses, s.ContainerStatuses)
	begin(old.EphemeralContainerStatuses, s.EphemeralContainerStatuses)
	return out
}

// crashLoop is the Event of a restart back-off that begins.
func crashLoop(pod *v1.Pod, container string) Event {
	return Event{Type: v1.EventTypeWarning, Reason: "BackOff", Container: container,
		Message: fmt.Sprintf("Back-off restarting failed container %s in pod %s", container, describe(pod))}
}
