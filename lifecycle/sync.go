package lifecycle

import v1 "k8s.io/api/core/v1"

// The words of a network that is not there (upstream: NetworkNotReady events
// and the node's condition; the old NetworkPluginNotReady).
const (
	networkNotReady       = "NetworkNotReady"
	NetworkPluginNotReady = "NetworkPluginNotReady"
)

// sync lays out one pass of a pod that is to run.
func sync(pod *v1.Pod, old *v1.PodStatus, seen *Observed, p *Plan, st *starts) {
	if f := seen.Volumes.Failure; !seen.Volumes.Mounted {
		if f != nil && st.now.Before(f.retryAt()) {
			p.wakeAt(f.retryAt(), "volumes are tried again")
			return
		}
		p.Actions = append(p.Actions, Action{Verb: MountVolumes, Cause: "the pod's containers need its volumes", Needed: true})
	}
	if was(&p.Status, v1.AllContainersRestarting) {
		if seen.Runtime == "" {
			p.Actions = append(p.Actions, removeAll(pod, seen)...)
		}
		return
	}
	t := compute(pod, seen)
	if !t.any() {
		return
	}
	if seen.Runtime != "" {
		p.Actions = nil
		return // nothing can be done, and the node says why; it asks again once the runtime is back
	}
	if seen.Network != "" && !pod.Spec.HostNetwork {
		if c := Condition(old, v1.PodReadyToStartContainers); c == nil || c.Reason != NetworkPluginNotReady {
			p.Events = append(p.Events, Event{Type: v1.EventTypeWarning, Reason: networkNotReady, Message: "network is not ready: " + seen.Network})
		}
		p.Actions = nil
		return // the node asks again once its network is there
	}
	switch {
	case t.killPod && !t.sandbox:
		if seen.anyRunning() || anyReady(seen) {
			p.Actions = append(p.Actions, Action{Verb: StopPod, Grace: Grace(pod), Cause: "none of its containers is to run again", Needed: true})
		} else if len(p.Actions) == 0 && p.Wake.IsZero() {
			p.Cause = "its sandbox is gone and its restart policy does not allow another: it stays as it is until it is deleted"
		}
		return
	case t.killPod:
		p.Actions = append(p.Actions, Action{Verb: StopPod, Grace: Grace(pod), Cause: "its sandbox has to be made anew", Needed: true})
	default:
		p.Actions = append(p.Actions, t.kill...)
	}
	if t.sandbox {
		if f := seen.Sandbox; f != nil && st.now.Before(f.retryAt()) {
			p.Actions = nil
			p.wakeAt(f.retryAt(), "the sandbox is tried again")
			return
		}
		if t.sandboxDead != "" {
			p.Events = append(p.Events, Event{Type: v1.EventTypeNormal, Reason: "SandboxChanged", Message: "Pod sandbox changed, it will be killed and re-created."})
		}
		p.Actions = append(p.Actions, Action{Verb: CreateSandbox, Attempt: t.attempt, Cause: "the pod has no sandbox that is ready", Needed: true})
	}
	for _, c := range t.ephemeral {
		start(pod, seen, p, st, c, p.Status.EphemeralContainerStatuses, false)
	}
	for _, c := range t.initial {
		start(pod, seen, p, st, c, p.Status.InitContainerStatuses, !isSidecar(c))
	}
	t.resizeInto(p, seen, st.now)
	for _, c := range t.regular {
		start(pod, seen, p, st, c, p.Status.ContainerStatuses, false)
	}
}

// any: there is something to start or to stop.
func (t *todo) any() bool {
	return t.sandbox || t.killPod || len(t.kill)+len(t.resize)+len(t.ephemeral)+len(t.initial)+len(t.regular) > 0
}

// start adds the start of a container to the pass, unless a back-off holds it.
func start(pod *v1.Pod, seen *Observed, p *Plan, st *starts, c *v1.Container, statuses []v1.ContainerStatus, needed bool) {
	if st.held[c.Name] {
		return
	}
	a := Action{Verb: StartContainer, Container: c.Name, Cause: "the container has not run yet", Needed: needed}
	n := seen.newest(c.Name)
	switch s := find(statuses, c.Name); {
	case n != nil && n.State == Created:
		// Upstream counts one that was made and not started as a restart (startContainer in
		// pkg/kubelet/kuberuntime/kuberuntime_container.go), although nothing of it ever ran.
		a.Restarts = max(n.RestartCount, s.RestartCount)
	case n != nil:
		a.Restarts, a.Cause = max(n.RestartCount, s.RestartCount)+1, "the container ended and is to run again"
	case s.LastTerminationState.Terminated != nil:
		a.Restarts = s.RestartCount
	}
	if b, ok := st.next[c.Name]; ok {
		a.Backoff = &b
	} else if n != nil && n.State == Running && !replaced(seen, p, st, c, &a) {
		p.Events = append(p.Events, crashLoop(pod, c.Name)) // no status says so if it is not to run again, now that it ends
		return
	}
	p.Actions = append(p.Actions, a)
}

// replaced: the container runs and is stopped earlier in this pass. Its back-off
// counts from the last one of it that ended, so that the first replacement is
// immediate and a container that keeps failing its probes waits longer each time.
func replaced(seen *Observed, p *Plan, st *starts, c *v1.Container, a *Action) bool {
	for i := range seen.Containers {
		e := &seen.Containers[i]
		if e.Name != c.Name || e.State != Exited {
			continue
		}
		b := seen.Backoffs[c.Name]
		if _, in := b.Until(restartKey(c), e.FinishedAt, st.clock); in {
			return false
		}
		next := b.Next(restartKey(c), e.FinishedAt, st.now)
		a.Backoff = &next
		break
	}
	return true
}

func anyReady(seen *Observed) bool {
	for _, s := range seen.Sandboxes {
		if s.Ready {
			return true
		}
	}
	return false
}
