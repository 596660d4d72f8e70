package lifecycle

import (
	"fmt"
	"time"

	v1 "k8s.io/api/core/v1"
)

// starts collects, while the statuses are made, which containers have to wait
// and what back-off those leave behind that are started now.
type starts struct {
	now   time.Time
	clock time.Time // by which back-offs end; see gather
	due   time.Time // until when those wait that are gathered, zero if none do
	held  map[string]bool
	next  map[string]Backoff

	events []Event // of back-offs that no status shows
}

// hold keeps the container from being started before at.
func (st *starts) hold(p *Plan, name string, at time.Time, cause string) {
	if st.held == nil {
		st.held = map[string]bool{}
	}
	st.held[name] = true
	if at.Before(st.due) && at.After(st.clock) {
		at = st.due
	}
	p.wakeAt(at, cause)
}

// leave notes the back-off that the container has once it is started again.
func (st *starts) leave(c *v1.Container, b Backoff) {
	if st.next == nil {
		st.next = map[string]Backoff{}
	}
	st.next[c.Name] = b
}

// startable decides, for a container that is to be started next, whether it may
// be started now and what its status says until it runs.
//
// The order in which a watch sees it: first what happened (the exit, the failed
// pull), then the back-off that follows from it. Upstream shows the back-off
// only when the next sync finds it; here it is shown as soon as what happened
// has been reported.
func startable(pod *v1.Pod, seen *Observed, k kind, c *v1.Container, was *v1.ContainerStatus, s *v1.ContainerStatus, p *Plan, st *starts) {
	newest := seen.newest(c.Name)
	if !shouldStart(pod, c, newest) {
		return
	}
	if seen.Cleaned {
		if was != nil && was.State.Waiting != nil && s.State.Terminated != nil {
			wait(s, was.State.Waiting.Reason, was.State.Waiting.Message) // it was waiting to be started again when the pod's time was over
		}
		return
	}
	fail := seen.Failures[c.Name]
	dead := newest != nil && newest.State == Exited
	if k == ephemeral && newest != nil { // it is not started again, but why it did not start stays
		if fail != nil && fail.Exited == newest.ID {
			wait(s, fail.Reason, fail.Message)
		}
		return
	}
	if k == initial && dead && newest.ExitCode == 0 {
		defer st.quietly(pod, seen, c, newest, was, s)()
	}
	if fail != nil && fail.Image != c.Image && !dead {
		// The spec names another image now, and the old one's back-off is of no interest.
		wait(s, fail.Reason, fail.Message)
		return
	}
	if fail != nil && (!dead || fail.Exited == newest.ID || fail.Exited == "") {
		failed(pod, c, newest, seen, fail, s, p, st)
		return
	}
	if !dead {
		return
	}
	exited(pod, c, newest, seen, was, s, p, st)
}

// quietly keeps the status of a sidecar that ended with 0 as it is: it is never
// shown as waiting to be started again (upstream: convertToAPIContainerStatuses in
// pkg/kubelet/kubelet_pods.go takes it for an init container that is done). That
// its back-off begins is told by an Event alone.
func (st *starts) quietly(pod *v1.Pod, seen *Observed, c *v1.Container, newest *Container, was, s *v1.ContainerStatus) (restore func()) {
	state, last := s.State, s.LastTerminationState
	if _, in := seen.Backoffs[c.Name].Until(restartKey(c), newest.FinishedAt, st.clock); in && !shown(was, newest.ID) {
		st.events = append(st.events, crashLoop(pod, c.Name))
	}
	return func() { s.State, s.LastTerminationState = state, last }
}

// failed: the last attempt to start the container did not work.
func failed(pod *v1.Pod, c *v1.Container, newest *Container, seen *Observed, fail *Failure, s *v1.ContainerStatus, p *Plan, st *starts) {
	wait(s, fail.Reason, fail.Message)
	if !fail.Reported {
		st.hold(p, c.Name, st.now, "the failure is reported first")
		return
	}
	if pull, ok := seen.Pulls[fail.Pull]; ok {
		if end, in := pull.Backoff.Until(fail.Pull, pull.Backoff.Updated, st.clock); in {
			wait(s, ImagePullBackOff, fmt.Sprintf("Back-off pulling image %q: %s: %s", fail.Pull, pull.Reason, pull.Message))
			st.hold(p, c.Name, end, "image pull back-off of container "+c.Name)
			return
		}
	} else if at := fail.retryAt(); fail.Exited == "" && st.now.Before(at) {
		st.hold(p, c.Name, at, "start of container "+c.Name+" is tried again")
		return
	}
	if newest == nil || newest.State != Exited {
		return
	}
	restart(pod, c, newest, seen, s, p, st)
	if fail.Exited == "" { // why it could not be made anew says more than that it has to wait
		s.State = v1.ContainerState{Waiting: &v1.ContainerStateWaiting{Reason: fail.Reason, Message: fail.Message}}
	}
}

// exited: the container ran, ended, and is to run again.
func exited(pod *v1.Pod, c *v1.Container, newest *Container, seen *Observed, was *v1.ContainerStatus, s *v1.ContainerStatus, p *Plan, st *starts) {
	if !shown(was, newest.ID) && !seen.Stopped[newest.ID] {
		if _, in := seen.Backoffs[c.Name].Until(restartKey(c), newest.FinishedAt, st.clock); in {
			st.hold(p, c.Name, st.now, "the exit is reported first")
			return
		}
	}
	restart(pod, c, newest, seen, s, p, st)
	if s.State.Waiting == nil && was != nil && was.State.Waiting != nil && was.LastTerminationState.Terminated != nil &&
		was.LastTerminationState.Terminated.ContainerID == newest.ID {
		wait(s, was.State.Waiting.Reason, was.State.Waiting.Message) // it goes on looking as it did until it runs
	}
}

// restart holds a dead container back until its back-off is over.
func restart(pod *v1.Pod, c *v1.Container, newest *Container, seen *Observed, s *v1.ContainerStatus, p *Plan, st *starts) {
	b := seen.Backoffs[c.Name]
	if end, in := b.Until(restartKey(c), newest.FinishedAt, st.clock); in {
		wait(s, CrashLoopBackOff, fmt.Sprintf("back-off %s restarting failed container=%s pod=%s", b.Delay, c.Name, describe(pod)))
		st.hold(p, c.Name, end, "restart back-off of container "+c.Name)
		return
	}
	st.leave(c, b.Next(restartKey(c), newest.FinishedAt, st.now))
}

// shown: that container's end is part of what was reported last.
func shown(was *v1.ContainerStatus, id string) bool {
	if was == nil {
		return false
	}
	now, last := was.State.Terminated, was.LastTerminationState.Terminated
	return now != nil && now.ContainerID == id || last != nil && last.ContainerID == id
}

// wait turns the status into Waiting; an end that it showed becomes the last one.
func wait(s *v1.ContainerStatus, reason, message string) {
	if s.State.Terminated != nil {
		s.LastTerminationState = v1.ContainerState{Terminated: s.State.Terminated}
	}
	s.State = v1.ContainerState{Waiting: &v1.ContainerStateWaiting{Reason: reason, Message: message}}
}

// describe names a pod as upstream's messages do: name_namespace(uid).
func describe(pod *v1.Pod) string { return fmt.Sprintf("%s_%s(%s)", pod.Name, pod.Namespace, pod.UID) }
