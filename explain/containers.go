package explain

import (
	"fmt"
	"slices"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"github.com/podling/podling/lifecycle/reason"
)

// containers: one of the pod's containers, or a sidecar, does not do what it should. The first that
// is in trouble has the verdict, the others are named beside it.
func containers(l *look) *finding {
	if done(l.Pod.Status.Phase) {
		return nil
	}
	var first *finding
	for _, s := range statuses(l.Pod) {
		if t := s.State.Terminated; t != nil && l.rightly(&s, t) {
			continue
		}
		f := l.container(&s)
		switch {
		case f == nil:
		case first == nil:
			first = f
		case first.health == Starting && f.health != Starting:
			first = f
		case f.health != Starting:
			first.also = append(first.also, sentence("Container "+s.Name+" "+f.state+": "+f.root))
		}
	}
	if first == nil {
		return nil
	}
	if c := l.condition(v1.PodReady); c.Type != "" && c.Status != v1.ConditionTrue {
		first.about(word{reason.Condition, c.Reason})
		if len(first.chain) == 0 || first.chain[0].Text != "not Ready" {
			first.before(Link{Text: "not Ready", Word: c.Reason})
		}
	}
	return first
}

// rightly says that a container has ended as it should: with its work done and not to run again, an
// init container, or a sidecar when the others have ended.
func (l *look) rightly(s *v1.ContainerStatus, t *v1.ContainerStateTerminated) bool {
	c := specOf(l.Pod, s.Name)
	switch {
	case !isSidecarOrMain(l.Pod, s.Name):
		return t.ExitCode == 0 || l.condition(v1.PodInitialized).Status == v1.ConditionTrue
	case slices.ContainsFunc(l.Pod.Spec.InitContainers, func(i v1.Container) bool { return i.Name == s.Name }):
		return !slices.ContainsFunc(l.Pod.Status.ContainerStatuses, func(main v1.ContainerStatus) bool {
			ended := main.State.Terminated
			return ended == nil || l.policy(main.Name) == v1.RestartPolicyAlways || ended.ExitCode != 0 && l.policy(main.Name) != v1.RestartPolicyNever
		})
	}
	return t.ExitCode == 0 && (c == nil || l.policy(s.Name) != v1.RestartPolicyAlways)
}

// policy is the container's own restartPolicy, or the pod's.
func (l *look) policy(name string) v1.RestartPolicy {
	if c := specOf(l.Pod, name); c != nil && c.RestartPolicy != nil {
		return v1.RestartPolicy(*c.RestartPolicy)
	}
	return l.Pod.Spec.RestartPolicy
}

// crashing is for how long after its end a crash counts as one of a row: back-off
// begins anew only when a container has run for that long (KEP-4603).
const crashing = 10 * time.Minute

// container explains one; nil if it is well.
func (l *look) container(s *v1.ContainerStatus) *finding {
	switch {
	case s.State.Waiting != nil:
		return l.waiting(s, s.State.Waiting)
	case s.State.Terminated != nil:
		f := l.ending(s, s.State.Terminated)
		f.state = "has a container that ended"
		switch l.policy(s.Name) {
		case v1.RestartPolicyNever:
			f.then("It is not restarted, as restartPolicy is Never; the pod ends when its other containers have.")
		default:
			l.nextRestart(f, s, s.State.Terminated)
		}
		return f
	case s.State.Running != nil:
		return l.running(s, s.State.Running)
	}
	return nil
}

// running: it runs, and may not be ready, or crash every now and then.
func (l *look) running(s *v1.ContainerStatus, r *v1.ContainerStateRunning) *finding {
	c := specOf(l.Pod, s.Name)
	started := s.Started == nil || *s.Started
	last := s.LastTerminationState.Terminated
	if last != nil && s.RestartCount >= 2 && l.Now.Sub(last.FinishedAt.Time) < crashing && l.Now.Sub(r.StartedAt.Time) < crashing {
		f := l.ending(s, last)
		f.before(Link{Text: fmt.Sprintf("container %s runs at the moment, and was restarted %s", s.Name, timesText(s.RestartCount))})
		f.state = "crashes again and again"
		f.next = nil
		return f.then(fmt.Sprintf("If it ends again within the next %s, its back-off goes on from where it was.", span(crashing-l.Now.Sub(r.StartedAt.Time))))
	}
	switch {
	case c == nil:
		if !s.Ready {
			f := &finding{health: Unclear, cause: CauseContainerNotReady, state: "is not ready", root: "container " + s.Name + " runs and is not ready; I cannot tell by which probe, as the pod's spec was not recorded"}
			return f.link(f.root)
		}
		return nil
	case !started && c.StartupProbe != nil:
		return l.probe(c, s, r, startup)
	case !started && c.Lifecycle != nil && c.Lifecycle.PostStart != nil:
		f := &finding{health: Starting, cause: CausePostStartHook, state: "is being started", root: "the postStart hook of container " + s.Name + " has not ended yet"}
		return f.link(f.root).then("The next container starts when the hook has ended; if it fails, the container is killed.")
	case !s.Ready && c.ReadinessProbe != nil:
		return l.probe(c, s, r, readiness)
	case !s.Ready && s.Started != nil && *s.Started && !isSidecarOrMain(l.Pod, s.Name):
		return nil // an init container is ready when it has ended
	}
	if c.LivenessProbe != nil {
		return l.liveFailing(c, s, r)
	}
	return nil
}

func isSidecarOrMain(pod *v1.Pod, name string) bool {
	for _, c := range pod.Spec.InitContainers {
		if c.Name == name {
			return ptr.Deref(c.RestartPolicy, "") == v1.ContainerRestartPolicyAlways
		}
	}
	return true
}

func timesText(n int32) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

// waiters explain what a container waits for, by the word in its state.
var waiters = map[string]func(*look, *v1.ContainerStatus, *v1.ContainerStateWaiting) *finding{
	"ContainerCreating":          (*look).creatingContainer,
	"PodInitializing":            (*look).initializing,
	"CrashLoopBackOff":           (*look).crashLoop,
	"InvalidImageName":           (*look).invalidImage,
	"ImageInspectError":          (*look).pulling,
	"ErrImageNeverPull":          (*look).neverPull,
	"ErrImagePull":               (*look).pulling,
	"ImagePullBackOff":           (*look).pulling,
	"RegistryUnavailable":        (*look).pulling,
	"SignatureValidationFailed":  (*look).pulling,
	"CreateContainerConfigError": (*look).configuring,
	"PreCreateHookError":         (*look).nodeManager,
	"CreateContainerError":       (*look).creation,
	"PreStartHookError":          (*look).nodeManager,
	"RunContainerError":          (*look).startFailed,
	"PostStartHookError":         (*look).postStart,
	"RestartingAllContainers":    (*look).restartingAll,
}

// waiting explains a container that does not run.
func (l *look) waiting(s *v1.ContainerStatus, w *v1.ContainerStateWaiting) *finding {
	name := w.Reason
	if found := reason.Find(name); len(found) > 0 {
		for _, r := range found {
			if r.Kind == reason.Waiting {
				name = r.Name // an old name finds the new one's rule
			}
		}
	}
	explain, ok := waiters[name]
	if !ok {
		f := &finding{health: Unclear, cause: CauseUnclear, state: "does not run", root: fmt.Sprintf("I cannot tell why: container %s waits with %s, which I do not know", s.Name, orNone(w.Reason))}
		if w.Message != "" {
			f.root += ", and says: " + short(w.Message, 300)
		}
		return l.waits(f.link(f.root), s, w).do("its Events may tell", l.kubectl("describe pod %s", l.Pod.Name))
	}
	f := explain(l, s, w)
	if f == nil {
		return nil
	}
	return l.waits(f, s, w)
}

// waits puts the container's state in front of what it comes from.
func (l *look) waits(f *finding, s *v1.ContainerStatus, w *v1.ContainerStateWaiting) *finding {
	f.before(Link{Text: fmt.Sprintf("container %s waits: %s", s.Name, orNone(w.Reason)), Word: w.Reason})
	f.about(word{reason.Waiting, w.Reason})
	text := w.Reason
	if w.Message != "" {
		text += ": " + w.Message
	}
	return f.show("status", stateOf(l.Pod, s.Name)+".state.waiting", short(text, 500), time.Time{})
}

// stateOf is where a container's status stands.
func stateOf(pod *v1.Pod, name string) string {
	for _, s := range pod.Status.InitContainerStatuses {
		if s.Name == name {
			return fmt.Sprintf("status.initContainerStatuses[?(@.name==%q)]", name)
		}
	}
	return fmt.Sprintf("status.containerStatuses[?(@.name==%q)]", name)
}

// creatingContainer: the container is on its way: its image is pulled, or it is made.
func (l *look) creatingContainer(s *v1.ContainerStatus, _ *v1.ContainerStateWaiting) *finding {
	f := &finding{health: Starting, cause: CausePulling, state: "is being started"}
	pulling, pulled := l.eventOf(s.Name, "Pulling"), l.eventOf(s.Name, "Pulled")
	switch {
	case pulling != nil && (pulled == nil || eventTime(pulled).Before(eventTime(pulling))):
		f.root = fmt.Sprintf("the image %s of container %s has been being pulled for %s", s.Image, s.Name, span(l.Now.Sub(eventTime(pulling))))
		f.showEvent(pulling).then("Nothing limits how long a pull may take while data arrives.")
	case l.Now.Sub(l.since()) > 2*time.Minute && !l.sees(PartEvents):
		f.health, f.cause = Unclear, CauseUnclear
		f.root = fmt.Sprintf("I cannot tell what keeps container %s from being made for %s, as Events were not to be seen; look at them", s.Name, span(l.Now.Sub(l.since())))
		f.do("with more rights", l.kubectl("describe pod %s", l.Pod.Name))
	default:
		f.root = "container " + s.Name + " is about to be made and started"
		f.then("Running, or the word for what went wrong, in a moment.")
	}
	return f.link(f.root)
}

// initializing: another container has to do its part before.
func (l *look) initializing(s *v1.ContainerStatus, _ *v1.ContainerStateWaiting) *finding {
	f := &finding{health: Starting, cause: CauseInitRunning, state: "is being started", root: "container " + s.Name + " waits for the init containers"}
	return f.link(f.root).then("It starts when the last init container has ended with exit code 0.")
}

// restartingAll: a restart rule takes all containers down.
func (l *look) restartingAll(s *v1.ContainerStatus, _ *v1.ContainerStateWaiting) *finding {
	f := &finding{health: Starting, cause: CauseRestartAll, state: "starts all its containers again", root: "a container ended with an exit code for which its restartPolicyRules say RestartAllContainers"}
	for _, other := range statuses(l.Pod) {
		t := other.State.Terminated
		if t == nil {
			t = other.LastTerminationState.Terminated
		}
		if c := specOf(l.Pod, other.Name); t != nil && c != nil && len(c.RestartPolicyRules) > 0 {
			f.root = fmt.Sprintf("container %s ended with %d, for which its restartPolicyRules say RestartAllContainers", other.Name, t.ExitCode)
			f.show("status", stateOf(l.Pod, other.Name)+".lastState.terminated", fmt.Sprintf("exitCode %d", t.ExitCode), t.FinishedAt.Time)
		}
	}
	f.link(f.root).about(word{reason.Condition, "AllContainersRestarting"}, word{reason.Condition, "RestartAllContainersStarted"}, word{reason.Terminated, "RestartingAllContainers"})
	if c := l.condition(v1.AllContainersRestarting); c.Type != "" {
		f.showCondition(c)
	}
	return f.then("The init containers run again, then the others.")
}
