package explain

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	v1 "k8s.io/api/core/v1"

	"github.com/podling/podling/lifecycle/reason"
)

// unstarted: the pod has a node, and nothing of it was made there yet.
func (l *look) unstarted() bool {
	if l.Pod.Spec.NodeName == "" && l.condition(v1.PodScheduled).Status != v1.ConditionTrue || done(l.Pod.Status.Phase) {
		return false
	}
	for _, s := range statuses(l.Pod) {
		if s.ContainerID != "" || s.RestartCount > 0 || s.State.Terminated != nil || s.State.Running != nil {
			return false
		}
		if w := s.State.Waiting; w != nil && w.Reason != "" && w.Reason != "ContainerCreating" && w.Reason != "PodInitializing" {
			return false
		}
	}
	return l.condition(v1.PodReadyToStartContainers).Status != v1.ConditionTrue
}

var creating = Link{Text: "not Ready, container waits: ContainerCreating", Word: "ContainerCreating"}

func (f *finding) creating() *finding {
	f.before(creating)
	return f.about(word{reason.Waiting, "ContainerCreating"})
}

// invalidSpec is what podling's node says of a manifest in its folder, and upstream's of
// fields that it cannot use.
func invalidSpec(l *look) *finding {
	e := l.event("FailedValidation")
	if e == nil || !l.unstarted() {
		return nil
	}
	f := &finding{health: Unhealthy, cause: CauseInvalidManifest, state: "does not start", root: "its manifest cannot be run as it is: " + short(e.Message, 300)}
	return f.creating().link(f.root).showEvent(e).do("correct the file", "").then("It is read again as soon as it changes.")
}

// devices: claimed devices are not ready.
func devices(l *look) *finding {
	e := l.event("FailedPrepareDynamicResources")
	if e == nil || !l.unstarted() {
		return nil
	}
	f := &finding{health: Unhealthy, cause: CauseDevices, state: "does not start", root: "the devices that it claims could not be made ready: " + short(e.Message, 300)}
	f.creating().link(f.root, word{reason.Event, e.Reason}).showEvent(e)
	return f.do("does the claim exist, and does the driver's pod run on the node?", l.kubectl("get resourceclaims")).then("Tried again with the next sync.")
}

var (
	volumeNamed   = regexp.MustCompile(`(?:for volume|volume) "([^"]+)"`)
	hostPathFault = regexp.MustCompile(`hostPath type check failed: (\S+) (is not .*)`)
	noDriver      = regexp.MustCompile(`driver name (\S+) not found in the list of registered CSI drivers`)
)

const mountAgain = "Tried again after 1 s, doubling to every 10 s (upstream: 0.5 s, doubling to about 2 minutes); the pod starts as soon as the volume is there."

// volumes: a volume is not ready, so that nothing is started.
func volumes(l *look) *finding {
	if !l.unstarted() || !l.sees(PartSpec) {
		return nil
	}
	e := l.event("FailedMount", "MountVolume", "failed", "not found", "driver")
	if e == nil {
		e = l.event("FailedMount")
	}
	attach, mapping := l.event("FailedAttachVolume"), l.event("FailedMapVolume")
	finish := func(f *finding) *finding {
		f.state = "does not start"
		if e != nil {
			f.before(Link{Text: "volume cannot be mounted (FailedMount)", Word: "FailedMount"})
		}
		f.creating().showEvent(e).showEvent(attach).showEvent(mapping)
		f.about(word{reason.Event, "FailedMount"})
		return f.then(mountAgain)
	}
	if f := l.missing(func(r reference) bool { return r.volume != "" }); f != nil {
		return finish(f)
	}
	if f := claimTrouble(l); f != nil {
		return finish(f)
	}
	if attach != nil {
		f := &finding{health: Unhealthy, cause: CauseAttach, root: "a disk cannot be attached to node " + l.Pod.Spec.NodeName + ": " + short(attach.Message, 300)}
		if hasAny(attach.Message, "Multi-Attach", "already exclusively attached", "already used by pod") {
			f.root = "a ReadWriteOnce disk is still attached to another node: " + short(attach.Message, 300)
			f.do("end the pod that uses it there, or use ReadWriteMany", "kubectl get volumeattachments")
		}
		return finish(f.link(f.root, word{reason.Event, attach.Reason}).do("a node that is down for good", "kubectl taint nodes NODE node.kubernetes.io/out-of-service=nodeshutdown:NoExecute"))
	}
	if mapping != nil {
		f := &finding{health: Unhealthy, cause: CauseMount, root: "a block volume cannot be given to the pod: " + short(mapping.Message, 300)}
		return finish(f.link(f.root, word{reason.Event, mapping.Reason}).do("look at the CSI driver on the node", l.kubectl("get pvc")))
	}
	if e == nil {
		return nil
	}
	f := &finding{health: Unhealthy}
	volume := ""
	if m := volumeNamed.FindStringSubmatch(e.Message); m != nil {
		volume = m[1]
	}
	said := e.Message
	if _, rest, ok := strings.Cut(said, " : "); ok {
		said = rest
	}
	switch {
	case hostPathFault.MatchString(said):
		m := hostPathFault.FindStringSubmatch(said)
		f.cause, f.root = CauseHostPath, fmt.Sprintf("the hostPath %s of volume %s %s on node %s", m[1], volume, m[2], l.Pod.Spec.NodeName)
		f.do("make it there, or use another type (DirectoryOrCreate, FileOrCreate) "+l.where(), "")
	case noDriver.MatchString(said):
		driver := noDriver.FindStringSubmatch(said)[1]
		f.cause, f.root = CauseDriverMissing, fmt.Sprintf("volume %s needs the CSI driver %s, which does not run on node %s", volume, driver, l.Pod.Spec.NodeName)
		f.do("install the driver, or see why its pod does not run on that node", "kubectl get csidrivers,csinodes")
	case hasAny(said, "configmap", "config map") && hasAny(said, "not found"):
		f.cause, f.root = CauseConfigMapMissing, "volume "+volume+": "+short(said, 250)
		f.do("make it, or correct the name "+l.where(), l.kubectl("get configmap"))
	case hasAny(said, "secret") && hasAny(said, "not found"):
		f.cause, f.root = CauseSecretMissing, "volume "+volume+": "+short(said, 250)
		f.do("make it, or correct the name "+l.where(), l.kubectl("get secret"))
	case hasAny(said, "non-existent config key", "non-existent secret key"):
		f.cause, f.root = CauseKeyMissing, "volume "+volume+": "+short(said, 250)
		f.do("correct the key in the volume's items "+l.where(), "")
	default:
		f.cause, f.root = CauseMount, fmt.Sprintf("volume %s cannot be mounted: %s", volume, short(said, 300))
		f.do("the message has the words of who failed", l.kubectl("describe pod %s", l.Pod.Name))
	}
	return finish(f.link(f.root))
}

// sandbox: the pod's sandbox cannot be made.
func sandbox(l *look) *finding {
	if !l.unstarted() {
		return nil
	}
	c := l.condition(v1.PodReadyToStartContainers)
	e := l.event("FailedCreatePodSandBox")
	if e == nil {
		e = l.event("FailedPodSandBoxStatus")
	}
	if e == nil {
		e = l.event("FailedCreatePodContainer")
	}
	if e == nil {
		e = l.event("NetworkNotReady")
	}
	if e == nil && l.condition(v1.PodInitialized).Type != "" {
		e = l.event("FailedSync")
	}
	said, what := c.Message, c.Reason
	if e != nil && (said == "" || what == "") {
		said, what = e.Message, e.Reason
	}
	f := &finding{health: Unhealthy, state: "does not start"}
	switch {
	case what == "" && l.Now.Sub(l.since()) < time.Minute:
		f.health, f.cause, f.state = Starting, CausePulling, "is being started: its node makes volumes and sandbox ready"
		return f.creating().then("Its images are pulled next, then its containers start.")
	case what == "":
		f.health, f.cause, f.root = Unclear, CauseUnclear, fmt.Sprintf("I cannot tell why: for %s its node has made neither volumes nor sandbox ready, and said nothing about it; look at the node's log", span(l.Now.Sub(l.since())))
		return f.creating().link(f.root).do("look at its node", "podling explain node/"+l.Pod.Spec.NodeName)
	case what == "NetworkPluginNotReady" || what == "NetworkNotReady" || hasAny(said, "network plugin", "network is not ready", "cni plugin", "NetworkPluginNotReady"):
		f.cause, f.root = CauseNetwork, "the network of its node "+l.Pod.Spec.NodeName+" is not ready: "+short(said, 300)
		f.about(word{reason.Condition, "NetworkPluginNotReady"}, word{reason.Event, "NetworkNotReady"})
		f.do("look at the node's network plugin", "kubectl -n kube-system get pods -o wide")
	case hasAny(said, "no runtime for", "runtime handler", "RuntimeHandler"):
		f.cause, f.root = CauseRuntimeClass, "the runtime of node "+l.Pod.Spec.NodeName+" has no handler for its runtimeClassName: "+short(said, 250)
		f.do("correct spec.runtimeClassName "+l.where()+", or configure the handler on the node", "kubectl get runtimeclasses")
	case what == "FailedCreatePodContainer":
		f.cause, f.root = CauseCgroup, "its cgroup could not be made: "+short(said, 300)
	default:
		f.cause, f.root = CauseSandbox, "its sandbox cannot be made: "+short(said, 300)
		f.do("the message has the runtime's words: a sysctl, the network plugin, the pause image", "podling explain node/"+l.Pod.Spec.NodeName)
	}
	f.creating().link(f.root, word{reason.Event, what}, word{reason.Condition, what})
	if c.Type != "" && c.Status == v1.ConditionFalse {
		f.showCondition(c)
	}
	return f.showEvent(e).then("Tried again after 1 s, doubling to every 10 s (upstream: about every 10 s).")
}

// since is when the node took the pod, or when it was made.
func (l *look) since() time.Time {
	if l.Pod.Status.StartTime != nil {
		return l.Pod.Status.StartTime.Time
	}
	if !l.Pod.CreationTimestamp.IsZero() {
		return l.Pod.CreationTimestamp.Time
	}
	return l.Now
}

// initContainers: one of them has not done its part, so that the others wait.
func initContainers(l *look) *finding {
	if l.condition(v1.PodInitialized).Status == v1.ConditionTrue || done(l.Pod.Status.Phase) {
		return nil
	}
	for _, s := range l.Pod.Status.InitContainerStatuses {
		c := specOf(l.Pod, s.Name)
		sidecar := c != nil && c.RestartPolicy != nil && *c.RestartPolicy == v1.ContainerRestartPolicyAlways
		if t := s.State.Terminated; t != nil && t.ExitCode == 0 && !sidecar || sidecar && s.Started != nil && *s.Started {
			continue
		}
		kind := "init container "
		if sidecar {
			kind = "sidecar "
		}
		f := l.container(&s)
		if f == nil {
			f = &finding{health: Starting, cause: CauseInitRunning, state: "waits for its init containers", root: kind + s.Name + " has not ended yet"}
			if r := s.State.Running; r != nil {
				f.root = fmt.Sprintf("%s%s has been running for %s", kind, s.Name, span(l.Now.Sub(r.StartedAt.Time)))
				f.show("status", "status.initContainerStatuses", s.Name+" runs", r.StartedAt.Time)
			}
			f.link(f.root).then("The next container starts when it has ended with exit code 0.")
			f.do("what does it wait for?", l.kubectl("logs %s -c %s", l.Pod.Name, s.Name))
		} else {
			f.state = "does not start"
		}
		if n := len(l.Pod.Status.ContainerStatuses); n > 0 {
			f.before(Link{Text: "not Ready: " + plural(n, "container waits", "containers wait") + " for the init containers (PodInitializing)", Word: "PodInitializing"})
		}
		f.about(word{reason.Condition, "ContainersNotInitialized"}, word{reason.Waiting, "PodInitializing"})
		if c := l.condition(v1.PodInitialized); c.Type != "" {
			f.showCondition(c)
		}
		return f
	}
	return nil
}
