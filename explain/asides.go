package explain

import (
	"fmt"
	"strings"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/podling/podling/lifecycle/reason"
)

// resizing: other resources were asked for than the pod has.
func resizing(l *look) *finding {
	pending, progress := l.condition(v1.PodResizePending), l.condition(v1.PodResizeInProgress)
	f := &finding{health: Healthy, state: "runs, and has not the resources that were asked for"}
	switch {
	case pending.Status == v1.ConditionTrue && pending.Reason == v1.PodReasonInfeasible:
		f.cause, f.root = CauseResizeInfeasible, "its node can never grant the resize: "+short(pending.Message, 250)
		f.then("Nothing happens by itself: it goes on with what it has.").do("ask for less, or make the pod anew on a larger node", "")
	case pending.Status == v1.ConditionTrue:
		f.cause, f.root = CauseResizeDeferred, "its node has no room for the resize now: "+short(pending.Message, 250)
		f.then("Tried again when other pods leave.").do("ask for less, or make room on the node", "kubectl describe node "+l.Pod.Spec.NodeName)
	case progress.Status == v1.ConditionTrue && progress.Reason == "Error":
		f.cause, f.root = CauseResizeError, "the resources that were granted cannot be set: "+short(progress.Message, 250)
		f.then("Tried again with every sync of the pod.").do("to shrink memory below what is in use: free it first, or let resizePolicy restart the container", "")
	case progress.Status == v1.ConditionTrue:
		f.cause, f.state, f.root = CauseResizing, "runs", "its resources are being changed, as was asked"
		f.then("Done as soon as the runtime enforces them.")
	default:
		return nil
	}
	for _, c := range []v1.PodCondition{pending, progress} {
		if c.Type != "" {
			f.about(word{reason.Condition, string(c.Type)}).showCondition(c)
		}
	}
	f.link("Running").link(f.root)
	for _, said := range []string{"ResizeDeferred", "ResizeInfeasible", "ResizeError", "ResizeStarted"} {
		f.showEvent(l.event(said))
	}
	return f
}

// disruption: the system is about to end the pod.
func disruption(l *look) *finding {
	c := l.condition(v1.DisruptionTarget)
	if c.Status != v1.ConditionTrue || l.Pod.DeletionTimestamp != nil || done(l.Pod.Status.Phase) || l.Gone {
		return nil
	}
	f := &finding{health: Healthy, cause: disruptionCause(c), state: "is about to be ended", root: disruptionText(c)}
	return f.link("DisruptionTarget", word{reason.Condition, string(v1.DisruptionTarget)}).link(f.root, word{reason.Condition, c.Reason}).showCondition(c).then("It is deleted with its grace period.")
}

// unevictable: the pod's node is being emptied, and a budget does not let the pod go.
func unevictable(l *look) *finding {
	n := l.node(l.Pod.Spec.NodeName)
	if done(l.Pod.Status.Phase) || l.Pod.DeletionTimestamp != nil {
		return nil
	}
	var budgets []string
	f := &finding{health: Healthy, cause: CauseBudget, state: "runs, and cannot be evicted"}
	for i := range l.Budgets {
		b := &l.Budgets[i]
		selector, err := metav1.LabelSelectorAsSelector(b.Spec.Selector)
		if err != nil || b.Namespace != l.Pod.Namespace || !selector.Matches(labels.Set(l.Pod.Labels)) {
			continue
		}
		budgets = append(budgets, b.Name)
		if b.Status.DisruptionsAllowed > 0 || n == nil || !n.Spec.Unschedulable {
			continue
		}
		f.root = fmt.Sprintf("its node %s is cordoned, and PodDisruptionBudget %s allows no disruption now: %d of its pods are healthy and %d have to be", n.Name, b.Name, b.Status.CurrentHealthy, b.Status.DesiredHealthy)
		f.show("PodDisruptionBudget "+b.Name, "status", fmt.Sprintf("disruptionsAllowed 0, currentHealthy %d, desiredHealthy %d, expectedPods %d", b.Status.CurrentHealthy, b.Status.DesiredHealthy, b.Status.ExpectedPods), time.Time{})
		if b.Status.DesiredHealthy >= b.Status.ExpectedPods {
			f.root += "; that is all there are, so it never lets one go"
			f.do("run one more replica, or lower minAvailable (raise maxUnavailable) of the budget", l.kubectl("edit pdb %s", b.Name))
		} else {
			f.do("let the budget's other pods become ready", l.kubectl("get pods -l '%s'", selector))
		}
	}
	if e := l.event("MultiplePodDisruptionBudgets"); len(budgets) > 1 || e != nil {
		f.root = "more than one PodDisruptionBudget selects it (" + list(budgets) + "), so that every eviction of it is refused with an error"
		f.showEvent(e).about(word{reason.Event, "MultiplePodDisruptionBudgets"})
		f.do("make the budgets' selectors disjoint", l.kubectl("get pdb -o wide"))
	}
	if f.root == "" {
		return nil
	}
	return f.link("kubectl drain waits for it").link(f.root).about(word{reason.Condition, "EvictionByEvictionAPI"}).then("kubectl drain asks again every 5 s, until it is let.")
}

// unmatchedService: a Service that is called like the pod's app sends it nothing.
func unmatchedService(l *look) *finding {
	if len(l.Pod.Labels) == 0 || done(l.Pod.Status.Phase) {
		return nil
	}
	for i := range l.Services {
		s := &l.Services[i]
		if len(s.Spec.Selector) == 0 || !labels.SelectorFromSet(s.Spec.Selector).Matches(labels.Set(l.Pod.Labels)) {
			continue
		}
		for _, p := range s.Spec.Ports {
			target := p.TargetPort.String()
			if isNumber(target) || target == "" {
				continue
			}
			var have []string
			for _, c := range l.Pod.Spec.Containers {
				have = append(have, portNames(&c)...)
			}
			if strings.Contains("\x00"+strings.Join(have, "\x00")+"\x00", "\x00"+target+"\x00") {
				continue
			}
			f := &finding{health: Healthy, cause: CauseService, state: "runs, and gets nothing from Service " + s.Name,
				root: fmt.Sprintf("the Service's targetPort %s is the name of no port of the pod%s", target, didYouMean(target, have))}
			f.show("Service "+s.Name, "spec.ports[*].targetPort", target, time.Time{})
			return f.link("Service "+s.Name+" sends it nothing").link(f.root).do("correct targetPort, or name the container's port so", l.kubectl("edit service %s", s.Name))
		}
	}
	return nil
}

// said are Events about what does not keep a pod from running, and what they mean.
var said = []struct {
	event, cause, state, root, fix string
}{
	{"InvalidFaults", CauseFaults, "runs without the faults that it asks for", "its annotation podling.dev/faults cannot be read", "podling fault add --help says what there is"},
	{"DNSConfigForming", CauseDNS, "runs with a part of its resolver configuration", "more nameservers or search domains were asked for than a resolver takes", "shorten spec.dnsConfig, or the node's resolv.conf"},
	{"FailedPreStopHook", CauseHook, "runs, and has a preStop hook that fails", "the hook failed, and the container was ended all the same", "run the hook's command by hand, and correct it"},
	{"ProbeWarning", CauseProbeRedirect, "runs, and has a probe that proves nothing", "its probe was answered with a redirect to another host, which counts as success", "probe a path that answers by itself"},
	{"LifecycleHTTPFallback", CauseHTTPFallback, "runs, and has a hook with the wrong scheme", "its hook asks for HTTPS, and the container answers in plain HTTP, which was taken", "scheme: HTTP in the hook"},
	{"SandboxChanged", CauseSandboxChanged, "runs in a new sandbox", "its sandbox was lost (the machine was restarted, or the pause process ended), and all its containers were started anew with another address", "look at uptime and dmesg on the node"},
	{"FailedToRetrieveImagePullSecret", CausePullSecret, "runs, and names a pull secret that is not there", "", "correct imagePullSecrets, or make the Secret"},
	{"FailedSync", CauseSandbox, "runs, and its node had trouble to see how it is", "the runtime did not answer", "look at the node's runtime"},
	{"FailedPodSandBoxStatus", CauseSandbox, "runs, and its node had trouble to see how it is", "the runtime could not say how its sandbox is", "look at the node's runtime"},
	{"FailedCreatePodContainer", CauseCgroup, "runs, and was hard to start", "its cgroup could not be made at first", "look at the node's cgroups"},
	{"FailedKillPod", CauseStuckKill, "runs, and was hard to stop a part of", "a container or the sandbox could not be stopped at once", "look at the node's runtime"},
	{"ExceededGracePeriod", CauseStuckKill, "was not ended in time", "the node gave up waiting for it to end", "look at the node's runtime"},
	{"TaintManagerEviction", CauseTaint, "is on a node with a NoExecute taint", "the taint eviction controller had its eye on it", "see the node's taints"},
	{"NotDeleted", CauseEvictedByAPI, "was to be evicted, and was not deleted", "whoever evicted it did not delete it within two minutes", "evict it again"},
	{"Preempted", CausePreempted, "is ended for a pod of higher priority", "the scheduler needs its room", "give it a higher priority, or the cluster more room"},
	{"Preempting", CausePreempted, "is ended for a critical pod", "its node needs its room", "leave room on nodes for static and critical pods"},
}

// sayings are Events that nothing else has explained. Those that are old are history.
func sayings(l *look) *finding {
	if l.Gone {
		return nil
	}
	for _, s := range said {
		e := l.event(s.event)
		if e == nil || l.Now.Sub(eventTime(e)) > time.Hour || done(l.Pod.Status.Phase) && s.event != "ExceededGracePeriod" {
			continue
		}
		f := &finding{health: Healthy, cause: s.cause, state: s.state, root: s.root}
		if s.event == "FailedToRetrieveImagePullSecret" {
			f.root = l.pullSecretText(e)
		}
		f.root += " (" + short(e.Message, 200) + ")"
		return f.link(f.root, word{reason.Event, s.event}).showEvent(e).do(s.fix, "")
	}
	return nil
}
