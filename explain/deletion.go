package explain

import (
	"fmt"
	"strings"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"github.com/podling/podling/lifecycle/reason"
)

// killSlack is how much longer than its grace period a pod may take to go before
// something is wrong: the kill itself, the sandbox, and the last report.
const killSlack = 15 * time.Second

// gone: the pod is not there any more.
func gone(l *look) *finding {
	if !l.Gone {
		return nil
	}
	f := &finding{health: Healthy, cause: CauseDeleted, state: "is gone: it was deleted"}
	if c := l.condition(v1.DisruptionTarget); c.Status == v1.ConditionTrue {
		f = &finding{health: Unhealthy, state: "is gone", root: disruptionText(c)}
		f.cause = disruptionCause(c)
		f.link("deleted").link(c.Reason, word{reason.Condition, c.Reason}).showCondition(c)
		return f
	}
	f.link(fmt.Sprintf("deleted, with the phase %s", l.Pod.Status.Phase))
	if at := l.Pod.DeletionTimestamp; at != nil {
		f.show("status", "metadata.deletionTimestamp", at.UTC().Format(time.RFC3339), at.Time)
	}
	if l.owner() != "" {
		f.then(l.owner() + " makes another, if it is to have one.")
	}
	return f
}

// deleting: the pod is to go and is still there.
func deleting(l *look) *finding {
	pod := l.Pod
	if pod.DeletionTimestamp == nil {
		return nil
	}
	due := pod.DeletionTimestamp.Time // the request and the grace period
	var running []string
	for _, s := range statuses(pod) {
		if s.State.Running != nil {
			running = append(running, s.Name)
		}
	}
	f := &finding{health: Ending, state: "is being deleted"}
	f.link("Terminating")
	grace := time.Duration(ptr.Deref(pod.DeletionGracePeriodSeconds, 0)) * time.Second
	f.show("status", "metadata.deletionTimestamp", fmt.Sprintf("%s, with a grace period of %s", due.UTC().Format(time.RFC3339), span(grace)), due.Add(-grace))
	if c := l.condition(v1.DisruptionTarget); c.Status == v1.ConditionTrue {
		f.link(disruptionText(c), word{reason.Condition, c.Reason}).showCondition(c)
	}
	ended := pod.Spec.NodeName == "" || len(running) == 0 && (done(pod.Status.Phase) || len(pod.Status.ContainerStatuses) == 0 || !l.Now.Before(due))
	switch {
	case len(pod.Finalizers) > 0 && ended:
		f.health, f.cause, f.state = Unhealthy, CauseFinalizer, "cannot be deleted"
		f.root = fmt.Sprintf("its finalizer %s has not been taken away by whoever set it, and nothing else holds it", list(pod.Finalizers))
		f.link(f.root).show("spec", "metadata.finalizers", list(pod.Finalizers), time.Time{})
		f.then("Nothing happens by itself: the pod goes when the last finalizer is removed.")
		f.do("does the controller that owns the finalizer run?", "kubectl get pods -A")
		return f.do("or take it away, if what it was to clean up does not matter", l.kubectl("patch pod %s --type=merge -p '{\"metadata\":{\"finalizers\":null}}'", pod.Name))
	case l.nodeAway() != nil:
		away := l.nodeAway()
		f.health, f.state = Unhealthy, "cannot be deleted"
		f.cause, f.root = away.cause, away.root+", and nobody else can say that its containers have ended"
		f.link(f.root)
		f.evidence, f.words = append(f.evidence, away.evidence...), append(f.words, away.words...)
		f.then("It goes when the node is back, or when its Node object is deleted.")
		return f.do("if the machine will not come back", "kubectl delete node "+pod.Spec.NodeName)
	case l.Now.After(due.Add(killSlack)):
		f.health, f.cause, f.state = Unhealthy, CauseStuckKill, "cannot be deleted"
		f.root = fmt.Sprintf("its grace period of %s was over %s ago, and node %s has not ended it", span(grace), span(l.Now.Sub(due)), pod.Spec.NodeName)
		if e := l.event("FailedKillPod"); e != nil {
			f.root += ": " + short(e.Message, 250)
			f.showEvent(e)
		}
		f.link(f.root).about(word{reason.Event, "FailedKillPod"})
		f.then("The node tries again until it works.")
		f.do("look for processes that hang in the kernel, and at the runtime and the network plugin on the node", "podling explain node/"+pod.Spec.NodeName)
		return f.do("take the object away without waiting; what runs may go on running", l.kubectl("delete pod %s --force --grace-period=0", pod.Name))
	}
	f.cause = CauseGracePeriod
	if len(running) > 0 {
		f.root = fmt.Sprintf("container %s has until %s to end", list(running), due.UTC().Format(time.TimeOnly))
		if hooks := l.preStops(running); hooks != "" {
			f.root += "; " + hooks + " comes first"
		}
		f.link(f.root)
		if due.After(l.Now) {
			f.at(l.Now, due, "What still runs is killed (SIGKILL).")
		}
		f.about(word{reason.Event, "Killing"})
	}
	if len(pod.Finalizers) > 0 {
		f.also = append(f.also, "After that its finalizer "+list(pod.Finalizers)+" holds it.")
	}
	if e := l.event("FailedKillPod"); e != nil {
		f.health, f.cause, f.root = Unhealthy, CauseStuckKill, "a container or the sandbox could not be stopped: "+short(e.Message, 250)
		f.link(f.root).showEvent(e)
	}
	return f.then("The pod goes when its containers have ended.")
}

func done(p v1.PodPhase) bool { return p == v1.PodSucceeded || p == v1.PodFailed }

func (l *look) preStops(running []string) string {
	var out []string
	for _, name := range running {
		if c := specOf(l.Pod, name); c != nil && c.Lifecycle != nil && c.Lifecycle.PreStop != nil {
			out = append(out, "the preStop hook of "+name)
		}
	}
	return list(out)
}

// nodeAway is the trouble of a pod whose node is gone or silent.
func (l *look) nodeAway() *finding {
	name := l.Pod.Spec.NodeName
	if name == "" || !l.sees(PartNodes) {
		return nil
	}
	f := &finding{health: Unhealthy}
	n := l.node(name)
	if n == nil {
		var have []string
		for i := range l.Nodes {
			have = append(have, l.Nodes[i].Name)
		}
		f.cause, f.root = CauseNodeGone, "its node "+name+" does not exist"+didYouMean(name, have)
		return f.show("spec", "spec.nodeName", name, time.Time{}).about(word{reason.Condition, "DeletionByPodGC"})
	}
	c := nodeCondition(n, v1.NodeReady)
	switch {
	case c.Type == "":
		f.cause, f.root = CauseNodeSilent, "its node "+name+" has never reported: no kubelet runs under that name"
		f.about(word{reason.Node, "NodeStatusNeverUpdated"})
	case c.Status == v1.ConditionUnknown:
		f.cause, f.root = CauseNodeSilent, fmt.Sprintf("its node %s does not answer, since %s (%s)", name, c.LastTransitionTime.UTC().Format(time.TimeOnly), c.Reason)
	default:
		return nil
	}
	f.about(word{reason.Node, c.Reason})
	return f.show("node", name, strings.TrimSpace(fmt.Sprintf("Ready=%s %s %s", c.Status, c.Reason, c.Message)), c.LastTransitionTime.Time)
}

// silentNode: the pod is on a node that nobody hears of, or that says itself that it is unwell.
func silentNode(l *look) *finding {
	if done(l.Pod.Status.Phase) {
		return nil
	}
	if f := l.nodeAway(); f != nil {
		f.state = "is out of sight"
		ready := l.condition(v1.PodReady)
		f.before(Link{Text: "Ready " + string(ready.Status)}).link(f.root)
		if ready.Type != "" {
			f.showCondition(ready)
		}
		f.showEvent(l.event("NodeNotReady"))
		if f.cause == CauseNodeGone {
			f.then("The pod garbage collector deletes it, 40 to 60 s after the node was missed.")
			return f.do("drain a node before deleting it; leave spec.nodeName to the scheduler", "kubectl get nodes")
		}
		wait := int64(300)
		for _, t := range l.Pod.Spec.Tolerations {
			if t.Key == v1.TaintNodeUnreachable && t.TolerationSeconds != nil {
				wait = *t.TolerationSeconds
			}
		}
		if since := nodeCondition(l.node(l.Pod.Spec.NodeName), v1.NodeReady).LastTransitionTime; !since.IsZero() {
			f.at(l.Now, since.Add(time.Duration(wait)*time.Second), "It is evicted, unless the node answers before.")
		}
		return f.do("look at the machine and its kubelet", "podling explain node/"+l.Pod.Spec.NodeName)
	}
	n := l.node(l.Pod.Spec.NodeName)
	if n == nil || l.condition(v1.PodReady).Status == v1.ConditionTrue {
		return nil
	}
	c := nodeCondition(n, v1.NodeReady)
	if c.Status != v1.ConditionFalse {
		return nil
	}
	network := hasAny(c.Message, "NetworkReady=false", "network not ready", "cni plugin", "NetworkPluginNotReady")
	if network && l.Pod.Spec.HostNetwork {
		return nil
	}
	f := &finding{health: Unhealthy, cause: CauseNodeNotReady, state: "does not start", root: fmt.Sprintf("its node %s is not ready: %s", n.Name, short(c.Message, 250))}
	if !l.unstarted() {
		f.state = "is not ready"
	}
	if network {
		f.cause = CauseNetwork
		f.about(word{reason.Condition, "NetworkPluginNotReady"})
	}
	f.link("not Ready").link(f.root, word{reason.Node, c.Reason})
	f.show("node", n.Name, fmt.Sprintf("Ready=False %s: %s", c.Reason, c.Message), c.LastTransitionTime.Time)
	f.showEvent(l.event("NetworkNotReady"))
	f.then("It goes on as soon as the node is ready; otherwise it is evicted when it no longer tolerates the taint (300 s as a rule).")
	return f.do("look at the runtime and the network plugin of the node", "podling explain node/"+n.Name)
}
