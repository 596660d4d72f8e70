package lifecycle

import (
	"fmt"
	"slices"

	v1 "k8s.io/api/core/v1"
)

// todo is what one pass would do, before it is known whether back-offs allow it
// (upstream: podActions and computePodActions in
// pkg/kubelet/kuberuntime/kuberuntime_manager.go).
type todo struct {
	sandbox     bool
	attempt     uint32
	killPod     bool
	kill        []Action
	resize      []Action
	ephemeral   []*v1.Container
	initial     []*v1.Container
	regular     []*v1.Container
	sandboxDead string // the sandbox that is replaced
}

func compute(pod *v1.Pod, seen *Observed) todo {
	var t todo
	t.sandbox, t.attempt, t.sandboxDead = sandboxNeeded(pod, seen)
	if t.sandbox {
		fresh(pod, seen, &t)
		return t
	}
	for i := range pod.Spec.EphemeralContainers {
		c := (*v1.Container)(&pod.Spec.EphemeralContainers[i].EphemeralContainerCommon)
		if seen.newest(c.Name) == nil {
			t.ephemeral = append(t.ephemeral, c)
		}
	}
	if !initSteps(pod, seen, &t) || t.killPod {
		return t
	}
	keep := 0
	for i := range pod.Spec.Containers {
		c := &pod.Spec.Containers[i]
		newest := seen.newest(c.Name)
		if newest == nil || newest.State != Running {
			if shouldStart(pod, c, newest) {
				t.regular = append(t.regular, c)
				if newest != nil && newest.State == Unknown {
					t.replace(pod, c, newest, fmt.Sprintf("Container is in %q state, try killing it before restart", newest.State), nil)
				}
			}
			continue
		}
		message, restart, probe := unwanted(pod, c, newest, seen)
		if message == "" {
			keep++
			if len(resizes(c, newest)) > 0 {
				t.resize = append(t.resize, resizeContainer(c, newest))
			}
			continue
		}
		if restart {
			message += ", will be restarted"
			t.regular = append(t.regular, c)
		}
		t.replace(pod, c, newest, message, probe)
	}
	if podResizes(pod, seen) || pod.Spec.Resources != nil && seen.Given == nil { // after a restart of the node nobody knows what it was given
		t.resize = append([]Action{{Verb: ResizePod, Cause: "the pod's resources in the spec have changed"}}, t.resize...)
	}
	if keep == 0 && len(t.regular) == 0 {
		t.killPod, t.initial = true, nil
	}
	return t
}

// fresh: there is no sandbox to run in; everything begins anew, or not at all.
func fresh(pod *v1.Pod, seen *Observed, t *todo) {
	t.killPod = t.sandboxDead != "" || seen.anyRunning()
	if pod.Spec.RestartPolicy == v1.RestartPolicyNever && t.attempt != 0 && len(seen.Containers) > 0 {
		t.sandbox = false // it ran once, and once is all it may
		return
	}
	for i := range pod.Spec.Containers {
		c := &pod.Spec.Containers[i]
		policy := pod.Spec.RestartPolicy
		if c.RestartPolicy != nil {
			policy = v1.RestartPolicy(*c.RestartPolicy)
		}
		if n := seen.newest(c.Name); policy == v1.RestartPolicyOnFailure && n != nil && n.State == Exited && n.ExitCode == 0 {
			continue
		}
		t.regular = append(t.regular, c)
	}
	if len(t.regular) == 0 && anyRegular(pod, seen) {
		t.sandbox = false
		return
	}
	if len(pod.Spec.InitContainers) > 0 {
		t.initial, t.regular = []*v1.Container{&pod.Spec.InitContainers[0]}, nil
	}
}

// unwanted says why a running container has to go ("" if it may stay), whether it
// runs again afterwards, and which probe it failed, if it is that.
func unwanted(pod *v1.Pod, c *v1.Container, r *Container, seen *Observed) (message string, restart bool, failed *v1.Probe) {
	restart = replaceable(pod, c)
	probes := seen.Probes[r.ID]
	switch {
	case changed(c, r):
		return fmt.Sprintf("Container %s definition changed", c.Name), true, nil
	case probes.Live != nil && !*probes.Live:
		return fmt.Sprintf("Container %s failed liveness probe", c.Name), restart, c.LivenessProbe
	case c.StartupProbe != nil && probes.Started != nil && !*probes.Started:
		return fmt.Sprintf("Container %s failed startup probe", c.Name), restart, c.StartupProbe
	case restartToResize(c, resizes(c, r)):
		return fmt.Sprintf("Container %s resize requires restart", c.Name), true, nil
	}
	return "", false, nil
}

// replace ends a container that does not go on as it is. The probe that it failed
// may give it another grace period than the pod's (KEP-2238; upstream:
// setTerminationGracePeriod in pkg/kubelet/kuberuntime/kuberuntime_container.go).
func (t *todo) replace(pod *v1.Pod, c *v1.Container, r *Container, message string, failed *v1.Probe) {
	grace := Grace(pod)
	if failed != nil && failed.TerminationGracePeriodSeconds != nil && pod.DeletionGracePeriodSeconds == nil {
		grace = *failed.TerminationGracePeriodSeconds
	}
	t.kill = append(t.kill, Action{Verb: KillContainer, Container: c.Name, ID: r.ID, Grace: grace, Message: message, Cause: message, Needed: true})
}

// initSteps finds the next init containers to run, and says whether the regular
// containers may start (upstream: computeInitContainerActions in
// pkg/kubelet/kuberuntime/kuberuntime_container.go; sidecars: KEP-753).
func initSteps(pod *v1.Pod, seen *Observed, t *todo) bool {
	if len(pod.Spec.InitContainers) == 0 {
		return true
	}
	done := slices.ContainsFunc(pod.Spec.Containers, func(c v1.Container) bool {
		n := seen.newest(c.Name)
		return n != nil && (n.State == Created && n.SandboxID == seen.Sandboxes[0].ID || n.State == Running)
	})
	// From the last one backwards: completed ones may be gone from the runtime,
	// so the last that is known tells how far initialization has come.
	before := done // the container after this one has run, so this one must have completed
	for i := len(pod.Spec.InitContainers) - 1; i >= 0; i-- {
		c := &pod.Spec.InitContainers[i]
		n := seen.newest(c.Name)
		if n != nil && n.State == Exited && n.SandboxID != seen.Sandboxes[0].ID {
			n = nil // what it did for a sandbox that is gone has to be done again (upstream: purgeInitContainers)
		}
		if n == nil {
			if before && isSidecar(c) {
				t.initial = append(t.initial, c)
			}
			continue
		}
		if before && !isSidecar(c) {
			continue
		}
		if !t.initStep(pod, seen, c, i, n, before, &done) {
			return false
		}
		before = true
	}
	if !before {
		t.initial = append(t.initial, &pod.Spec.InitContainers[0])
	}
	slices.Reverse(t.initial)
	return done
}

// initStep looks at one init container that the runtime knows; false: it failed
// for good, and the pod with it.
func (t *todo) initStep(pod *v1.Pod, seen *Observed, c *v1.Container, i int, n *Container, before bool, done *bool) bool {
	last := i == len(pod.Spec.InitContainers)-1
	next := func() {
		if last {
			*done = true
		} else if !before {
			t.initial = append(t.initial, &pod.Spec.InitContainers[i+1])
		}
	}
	again := func(message string, failed *v1.Probe) {
		t.replace(pod, c, n, message, failed)
		t.initial = append(t.initial, c)
	}
	switch n.State {
	case Created:
		t.initial = append(t.initial, c) // it could not be started; it is made anew
	case Running:
		if !isSidecar(c) {
			if len(resizes(c, n)) > 0 {
				t.resize = append(t.resize, resizeContainer(c, n))
			}
			break
		}
		probes := seen.Probes[n.ID]
		if c.StartupProbe != nil && (probes.Started == nil || !*probes.Started) {
			if probes.Started != nil {
				again(fmt.Sprintf("Init container %s failed startup probe", c.Name), c.StartupProbe)
			}
			break
		}
		next()
		switch {
		case changed(c, n):
			again(fmt.Sprintf("Init container %s definition changed", c.Name), nil)
		case probes.Live != nil && !*probes.Live:
			again(fmt.Sprintf("Init container %s failed liveness probe", c.Name), c.LivenessProbe)
		case restartToResize(c, resizes(c, n)):
			again(fmt.Sprintf("Container %s resize requires restart", c.Name), nil)
		case len(resizes(c, n)) > 0:
			t.resize = append(t.resize, resizeContainer(c, n))
		}
	case Exited:
		switch {
		case isSidecar(c):
			t.initial = append(t.initial, c)
		case n.ExitCode == 0:
			next()
		case shouldRestart(pod, c, n.ExitCode) && pod.DeletionTimestamp == nil:
			t.initial = append(t.initial, c)
		default:
			t.killPod, t.initial = true, nil
			return false
		}
	default:
		if !replaceable(pod, c) {
			t.killPod, t.initial = true, nil
			return false
		}
		again(fmt.Sprintf("Init container is in %q state, try killing it before restart", n.State), nil)
	}
	return true
}
