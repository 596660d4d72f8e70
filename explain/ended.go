package explain

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	v1 "k8s.io/api/core/v1"

	"github.com/podling/podling/lifecycle/reason"
)

// endings are the words with which the system ends a pod that it had taken.
var endings = []string{"DeadlineExceeded", "Evicted", "Preempting", "Terminated", "NodeLost"}

var phaseFailed = word{reason.Phase, string(v1.PodFailed)}

// rejected: the node did not take the pod.
func rejected(l *look) *finding {
	s := l.Pod.Status
	if s.Phase != v1.PodFailed || s.Reason == "" || slices.Contains(endings, s.Reason) {
		return nil
	}
	w := word{reason.Pod, s.Reason}
	entry, known := w.entry()
	if !known && !strings.HasPrefix(s.Reason, "OutOf") {
		return nil
	}
	message := strings.TrimPrefix(short(s.Message, 300), "Pod was rejected: ")
	message = strings.TrimPrefix(message, "Pod ")
	f := &finding{health: Unhealthy, cause: CauseRejected + "/" + s.Reason, state: "was rejected by node " + l.Pod.Spec.NodeName, root: s.Reason}
	if message != "" {
		f.root += ": " + message
	} else if known {
		f.root += ": " + entry.Meaning
	}
	f.link("Failed", phaseFailed).link("rejected by its node").link(f.root, w)
	f.show("status", "status.reason", strings.TrimSpace(s.Reason+" "+s.Message), time.Time{})
	f.showEvent(l.event(s.Reason))
	for _, r := range reason.Find(s.Reason) {
		if r.Kind == reason.Pod {
			for _, fix := range r.Fix {
				f.do(fix, "")
			}
		}
	}
	return f.then("Final: the pod is never started. " + l.successor())
}

func (l *look) successor() string {
	if o := l.owner(); o != "" {
		return o + " makes another, if it is to have one."
	}
	return "Nobody makes another: it has no controller."
}

var (
	lowOn    = regexp.MustCompile(`low on resource: ([\w.-]+)`)
	storages = []string{"EmptyDir", "ephemeral local storage", "ephemeral-storage limit", "local ephemeral storage"}
)

// endedBySystem: the pod had been taken, and was ended from outside.
func endedBySystem(l *look) *finding {
	s := l.Pod.Status
	if s.Phase != v1.PodFailed {
		return nil
	}
	c := l.condition(v1.DisruptionTarget)
	if !slices.Contains(endings, s.Reason) {
		if c.Status != v1.ConditionTrue {
			return nil
		}
		f := &finding{health: Unhealthy, cause: disruptionCause(c), state: "has failed", root: disruptionText(c)}
		f.link("Failed", phaseFailed).link(f.root, word{reason.Condition, c.Reason}).showCondition(c)
		return f.then("Final. " + l.successor())
	}
	f := &finding{health: Unhealthy, state: "has failed"}
	message := short(s.Message, 350)
	switch s.Reason {
	case "DeadlineExceeded":
		f.cause = CauseDeadline
		f.root = "it was active for longer than its activeDeadlineSeconds"
		if d := l.Pod.Spec.ActiveDeadlineSeconds; d != nil {
			f.root += fmt.Sprintf(" of %d s", *d)
			f.show("spec", "spec.activeDeadlineSeconds", fmt.Sprint(*d), time.Time{})
		}
		if was := l.wasWaiting(); was != "" {
			f.root += ", " + was
		}
		f.do("raise spec.activeDeadlineSeconds "+l.where()+" (image pulls and waiting for volumes count too)", "")
	case "Evicted":
		f.state = "was evicted by node " + l.Pod.Spec.NodeName
		switch {
		case hasAny(message, storages...):
			f.cause, f.root = CauseStorageLimit, "it used more disk than its limit: "+message
			f.do("raise the volume's sizeLimit or limits.ephemeral-storage "+l.where()+", or write less", "")
		default:
			f.cause, f.root = CauseNodePressure, "the node is short of something: "+message
			if m := lowOn.FindStringSubmatch(message); m != nil {
				f.root = "the node ran low on " + m[1] + ": " + message
			}
			f.do("set resources.requests to what the pod really takes: those far above their requests go first", "podling explain node/"+l.Pod.Spec.NodeName)
		}
	case "Preempting":
		f.cause, f.root = CausePreempted, "its node ended it to make room for a critical pod: "+message
		f.do("leave room on nodes for static and critical pods", "kubectl get pods -A --field-selector spec.nodeName="+l.Pod.Spec.NodeName)
	case "Terminated":
		f.cause, f.root = CauseNodeShutdown, "its node "+l.Pod.Spec.NodeName+" shut down"
	case "NodeLost":
		f.cause, f.root = CauseNodeSilent, "its node "+l.Pod.Spec.NodeName+" does not answer"
		f.do("look at the node", "podling explain node/"+l.Pod.Spec.NodeName)
	}
	f.link("Failed", phaseFailed).link(s.Reason, word{reason.Pod, s.Reason}).link(f.root)
	f.show("status", "status.reason", strings.TrimSpace(s.Reason+" "+s.Message), time.Time{})
	if c.Status == v1.ConditionTrue {
		f.showCondition(c)
	}
	f.showEvent(l.event(s.Reason))
	f.showEvent(l.event("ExceededGracePeriod"))
	return f.then("Final. " + l.successor())
}

// wasWaiting is what a container waited for before the pod ended, if the timeline tells.
func (l *look) wasWaiting() string {
	for i := len(l.Timeline) - 1; i >= 0; i-- {
		for _, s := range statuses(l.Timeline[i].Pod) {
			if w := s.State.Waiting; w != nil && w.Reason != "ContainerCreating" && w.Reason != "PodInitializing" {
				return fmt.Sprintf("while container %s waited with %s: %s", s.Name, w.Reason, short(w.Message, 160))
			}
		}
	}
	return ""
}

// disruptors are who ends pods, by the reason of DisruptionTarget.
var disruptors = map[string]struct{ cause, text string }{
	v1.PodReasonPreemptionByScheduler: {CausePreempted, "the scheduler ended it to make room for a pod of higher priority"},
	"EvictionByEvictionAPI":           {CauseEvictedByAPI, "somebody evicted it through the API, as kubectl drain does"},
	"DeletionByTaintManager":          {CauseTaint, "it does not tolerate a NoExecute taint of its node"},
	"DeletionByPodGC":                 {CauseNodeGone, "its node does not exist any more"},
	v1.PodReasonTerminationByKubelet:  {CauseNodePressure, "its node ended it"},
}

func disruptionCause(c v1.PodCondition) string {
	if d, ok := disruptors[c.Reason]; ok {
		return d.cause
	}
	return CauseUnclear
}

func disruptionText(c v1.PodCondition) string {
	text := "it was ended by the system"
	if d, ok := disruptors[c.Reason]; ok {
		text = d.text
	}
	if c.Message != "" {
		text += " (" + short(c.Message, 200) + ")"
	}
	return text
}

// finished: no container is to run any more.
func finished(l *look) *finding {
	s := l.Pod.Status
	switch s.Phase {
	case v1.PodSucceeded:
		f := &finding{health: Healthy, cause: CauseNone, state: "has done its work: all its containers ended with exit code 0"}
		return f.link("Succeeded", word{reason.Phase, string(v1.PodSucceeded)}).then("Final; the pod stays until it is deleted.")
	case v1.PodFailed:
	default:
		return nil
	}
	var worst *finding
	for _, c := range statuses(l.Pod) {
		t := c.State.Terminated
		if t == nil {
			t = c.LastTerminationState.Terminated
		}
		if t == nil || t.ExitCode == 0 {
			continue
		}
		f := l.ending(&c, t)
		f.before(Link{Text: "Failed", Word: "Failed"})
		if worst == nil || worst.cause == CauseContainerLost && f.cause != CauseContainerLost {
			worst = f
		}
	}
	if worst == nil {
		worst = &finding{health: Unclear, cause: CauseUnclear, root: "I cannot tell why: no container says that it ended badly, and status.reason is " + orNone(s.Reason) + "; look at who deleted or changed it"}
		if s.Message != "" {
			worst.show("status", "status.message", s.Message, time.Time{})
		}
		worst.link("Failed").do("its Events and its owner may tell", l.kubectl("describe pod %s", l.Pod.Name))
	}
	worst.about(phaseFailed)
	worst.state = "has failed"
	worst.next = nil
	policy := l.Pod.Spec.RestartPolicy
	return worst.then(fmt.Sprintf("Final, as restartPolicy is %s. %s", orNone(string(policy)), l.successor()))
}

func orNone(text string) string {
	if text == "" {
		return "not set"
	}
	return text
}

// statuses are those of the init containers, then of the others.
func statuses(pod *v1.Pod) []v1.ContainerStatus {
	return slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses)
}
