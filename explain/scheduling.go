package explain

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	v1 "k8s.io/api/core/v1"

	"github.com/podling/podling/lifecycle/reason"
)

const (
	reasonUnschedulable   = v1.PodReasonUnschedulable
	reasonSchedulerError  = v1.PodReasonSchedulerError
	reasonSchedulingGated = v1.PodReasonSchedulingGated

	// schedulerPatience is how long a scheduler may take to say anything about a pod
	// before it is likely that none will.
	schedulerPatience = 30 * time.Second
	// unschedulableRetry is when the scheduler looks at a pod again in any case
	// (DefaultPodMaxInUnschedulablePodsDuration in pkg/scheduler/backend/queue).
	unschedulableRetry = 5 * time.Minute
)

var scheduled = word{reason.Condition, string(v1.PodScheduled)}

// gated: somebody holds the pod back.
func gated(l *look) *finding {
	if l.Pod.Spec.NodeName != "" || len(l.Pod.Spec.SchedulingGates) == 0 {
		return nil
	}
	var gates []string
	for _, g := range l.Pod.Spec.SchedulingGates {
		gates = append(gates, g.Name)
	}
	f := &finding{health: Unhealthy, cause: CauseSchedulingGate, state: "is not scheduled",
		root: "its scheduling gate " + list(gates) + " holds it back until whoever set it takes it away"}
	f.link("Pending, no node", scheduled).link("SchedulingGated", word{reason.Condition, reasonSchedulingGated}).link(f.root)
	f.show("spec", "spec.schedulingGates", list(gates), time.Time{})
	if c := l.condition(v1.PodScheduled); c.Type != "" {
		f.showCondition(c)
	}
	f.then("Nothing happens by itself; the scheduler looks at the pod when the last gate is gone.")
	f.do("find out who owns the gate (a queue such as Kueue, an operator, a person)", l.kubectl("get pod %s -o yaml --show-managed-fields", l.Pod.Name))
	return f.do("or take the gates away", l.kubectl("patch pod %s --type=json -p '[{\"op\":\"remove\",\"path\":\"/spec/schedulingGates\"}]'", l.Pod.Name))
}

// unscheduled: the pod has no node.
func unscheduled(l *look) *finding {
	pod := l.Pod
	c := l.condition(v1.PodScheduled)
	if pod.Spec.NodeName != "" || c.Status == v1.ConditionTrue || pod.Status.Phase != v1.PodPending || !l.sees(PartSpec) && c.Type == "" {
		return nil
	}
	says := l.event("FailedScheduling")
	message := c.Message
	if message == "" && says != nil {
		message = says.Message
	}
	finish := func(f *finding) *finding {
		w := []word{scheduled}
		text := "Pending, no node"
		if c.Reason != "" {
			text += ": " + c.Reason
			w = append(w, word{reason.Condition, c.Reason})
		}
		f.before(Link{Text: text, Word: w[len(w)-1].name})
		f.about(w...)
		if c.Type != "" {
			f.showCondition(c)
		}
		f.showEvent(says)
		if c.Reason == reasonUnschedulable {
			f.then("The scheduler tries again as soon as a node, a pod or a volume changes in a way that may help.")
			at := c.LastTransitionTime.Time
			if says != nil && eventTime(says).After(at) {
				at = eventTime(says)
			}
			if at = at.Add(unschedulableRetry); at.After(l.Now) {
				f.at(l.Now, at, "It is tried again in any case.")
			}
		}
		return f
	}
	if c.Reason == reasonSchedulerError {
		f := &finding{health: Unhealthy, cause: CauseSchedulerError, state: "is not scheduled", root: "the scheduler failed: " + short(message, 300)}
		f.link(f.root).do("look at what the message names: an admission policy, a webhook, an extender", "kubectl get validatingadmissionpolicies,validatingwebhookconfigurations")
		f.then("The scheduler tries again after 1 s, doubling to 10 s.")
		return finish(f)
	}
	if f := claimTrouble(l); f != nil {
		f.state = "cannot be scheduled"
		return finish(f)
	}
	if c.Type == "" && says == nil {
		return unlooked(l)
	}
	if node := pod.Status.NominatedNodeName; node != "" {
		f := &finding{health: Starting, cause: CausePreempted, state: "waits for room",
			root: "the scheduler ends pods of lower priority on node " + node + " to make room for it"}
		f.link(f.root).show("status", "status.nominatedNodeName", node, time.Time{})
		f.then("It is bound as soon as they have ended, within their grace periods.")
		return finish(f)
	}
	if !l.sees(PartNodes) {
		return finish(l.bySchedulersWord(message))
	}
	if len(l.Nodes) == 0 {
		f := &finding{health: Unhealthy, cause: CauseNoNodes, state: "cannot be scheduled", root: "the cluster has no nodes"}
		return finish(f.link(f.root).do("add a node", "kubectl get nodes"))
	}
	return finish(l.byNodes(message))
}

// unlooked: no scheduler has said anything about the pod.
func unlooked(l *look) *finding {
	f := &finding{health: Starting, cause: CauseNoScheduler, state: "waits for the scheduler"}
	age := l.Now.Sub(l.Pod.CreationTimestamp.Time)
	name := l.Pod.Spec.SchedulerName
	f.link("Pending, no node", scheduled)
	f.show("spec", "spec.schedulerName", name, time.Time{})
	if l.Pod.CreationTimestamp.IsZero() || age < schedulerPatience && (name == "" || name == v1.DefaultSchedulerName) {
		return f.then("The scheduler binds it or says why not, in a moment as a rule.")
	}
	f.health, f.state = Unhealthy, "is not scheduled"
	f.root = fmt.Sprintf("no scheduler has looked at it for %s", span(age))
	if name != "" && name != v1.DefaultSchedulerName {
		f.root = fmt.Sprintf("it asks for the scheduler \"%s\", and none of that name has looked at it for %s", name, span(age))
		f.change("use the cluster's own scheduler, "+l.where(), "-  schedulerName: "+name)
	}
	f.link(f.root)
	return f.do("does the scheduler run?", "kubectl -n kube-system get pods,leases")
}

// byNodes goes over the nodes and says what keeps the pod from each.
func (l *look) byNodes(message string) *finding {
	type at struct {
		node *v1.Node
		what []obstacle
	}
	var nodes []at
	free := ""
	for i := range l.Nodes {
		n := &l.Nodes[i]
		what := l.obstacles(n)
		if len(what) == 0 {
			free = n.Name
		}
		nodes = append(nodes, at{n, what})
	}
	if free != "" {
		f := l.bySchedulersWord(message)
		f.also = append(f.also, fmt.Sprintf("By its labels, taints, room and host ports node %s would take the pod now: what the scheduler saw has passed, or is none of these.", free))
		return f
	}
	// What the pod does not want is out of the question where there are nodes that it wants.
	wanted := slices.DeleteFunc(slices.Clone(nodes), func(n at) bool {
		return slices.ContainsFunc(n.what, func(o obstacle) bool { return o.cause == CauseNodeSelector || o.cause == CauseAffinity })
	})
	// Nodes by what they have in common; the nearest to fitting has the fewest obstacles.
	counts, example := map[string]int{}, map[string]string{}
	inAll := map[string]int{}
	slices.SortStableFunc(nodes, func(a, b at) int { return cmp.Compare(len(a.what), len(b.what)) })
	matter := len(wanted)
	if matter == 0 {
		wanted, matter = nodes, len(nodes)
	}
	for _, n := range nodes {
		causes := map[string]bool{}
		matters := slices.ContainsFunc(wanted, func(w at) bool { return w.node == n.node })
		for _, o := range n.what {
			counts[o.group]++
			causes[o.cause] = true
			if example[o.group] == "" {
				example[o.group] = n.node.Name + " " + o.text
			}
		}
		for c := range causes {
			if matters {
				inAll[c]++
			}
		}
	}
	cause := CauseNoFit
	for _, c := range []string{CauseNodeSelector, CauseAffinity, CauseVolumeElsewhere, CauseTooLarge, CauseTaint, CauseCordoned, CauseNodeNotReady, CauseNodePressure, CauseHostPort, CauseNoRoom} {
		if inAll[c] == matter {
			cause = c
			break
		}
	}
	if cause == CauseNoFit && inAll[CauseTooLarge]+inAll[CauseNoRoom] >= matter {
		cause = CauseNoRoom
	}
	var parts []string
	for _, group := range slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	}) {
		text := fmt.Sprintf("%d of %d %s", counts[group], len(nodes), group)
		if strings.HasPrefix(group, "short of ") || strings.HasPrefix(group, "with ") || strings.HasPrefix(group, "not ready") || counts[group] == 1 && strings.HasPrefix(group, "where ") {
			text += " (" + example[group] + ")"
		}
		parts = append(parts, text)
	}
	root := "no node fits: " + strings.Join(parts, "; ")
	if hint := l.selectorHint(); hint != "" && (cause == CauseNodeSelector || inAll[CauseNodeSelector] > 0) {
		root += hint
	}
	f := &finding{health: Unhealthy, cause: cause, state: "cannot be scheduled", root: root}
	f.link(root)
	for i, n := range nodes {
		if i == 8 {
			f.show("node", "", fmt.Sprintf("and %d more nodes", len(nodes)-i), time.Time{})
			break
		}
		var what []string
		for _, o := range n.what {
			what = append(what, o.text)
		}
		f.show("node", n.node.Name, "computed: "+strings.Join(what, "; "), time.Time{})
	}
	for _, c := range slices.Sorted(maps.Keys(inAll)) {
		l.mendFit(f, c)
	}
	return f
}

// selectorHint is what the nodes have instead of what the pod selects.
func (l *look) selectorHint() string {
	for _, k := range slices.Sorted(maps.Keys(l.Pod.Spec.NodeSelector)) {
		values, keys := map[string]bool{}, map[string]bool{}
		for i := range l.Nodes {
			for key, v := range l.Nodes[i].Labels {
				keys[key] = true
				if key == k {
					values[v] = true
				}
			}
		}
		want := l.Pod.Spec.NodeSelector[k]
		switch {
		case values[want]:
			continue
		case len(values) > 0:
			if near := Nearest(want, slices.Collect(maps.Keys(values))); near != "" {
				return fmt.Sprintf(" (did you mean %s=%s?)", k, near)
			}
			return fmt.Sprintf(" (nodes have %s=%s)", k, strings.Join(slices.Sorted(maps.Keys(values))[:min(3, len(values))], ", "))
		default:
			return didYouMean(k, slices.Collect(maps.Keys(keys)))
		}
	}
	return ""
}

// mendFit says what can be done about an obstacle.
func (l *look) mendFit(f *finding, cause string) {
	switch cause {
	case CauseTooLarge, CauseNoRoom:
		var asked []string
		total := requests(l.Pod)
		for _, k := range slices.Sorted(maps.Keys(total)) {
			q := total[k]
			asked = append(asked, fmt.Sprintf("%s: %s", k, amount(q)))
		}
		f.do("lower resources.requests ("+strings.Join(asked, ", ")+") "+l.where()+", add a node, or end other pods", "kubectl describe nodes | grep -A8 'Allocated resources'")
	case CauseNodeSelector:
		f.do("correct spec.nodeSelector "+l.where()+", or label a node", "kubectl get nodes --show-labels")
	case CauseAffinity:
		f.do("correct spec.affinity "+l.where()+", or use preferredDuringSchedulingIgnoredDuringExecution", "kubectl get nodes --show-labels")
	case CauseTaint:
		for i := range l.Nodes {
			for _, t := range l.Nodes[i].Spec.Taints {
				if t.Effect != v1.TaintEffectPreferNoSchedule && !tolerated(l.Pod, t) {
					f.change("let the pod tolerate the taint, "+l.where(), fmt.Sprintf("+  tolerations:\n+  - {key: %q, operator: Equal, value: %q, effect: %s}", t.Key, t.Value, t.Effect))
					f.do("or take it off the node", fmt.Sprintf("kubectl taint nodes %s %s:%s-", l.Nodes[i].Name, t.Key, t.Effect))
					return
				}
			}
		}
	case CauseCordoned:
		for i := range l.Nodes {
			if l.Nodes[i].Spec.Unschedulable {
				f.do("let the node take pods again", "kubectl uncordon "+l.Nodes[i].Name)
				return
			}
		}
	case CauseNodeNotReady, CauseNodePressure:
		f.do("look at the nodes", "podling explain node/NAME")
	case CauseHostPort:
		f.do("use a Service instead of hostPort, another port, or fewer such pods than nodes", "kubectl get pods -A -o wide")
	case CauseVolumeElsewhere:
		f.do("the pod can only run where its volume is: see the volume's nodeAffinity", "kubectl get pv -o custom-columns=NAME:.metadata.name,CLAIM:.spec.claimRef.name,WHERE:.spec.nodeAffinity.required")
	}
}

// counted is "3 node(s) had ..." or "1 Insufficient cpu" in the scheduler's message.
var counted = regexp.MustCompile(`(\d+) ((?:Insufficient|Too many|node\(s\)|Preemption|No preemption)[^,.]*(?:\{[^}]*\})?[^,.]*)`)

// schedulersWords are what the scheduler's filters say, and the cause that each is.
var schedulersWords = []struct{ text, cause string }{
	{"Insufficient ", CauseNoRoom}, {"Too many pods", CauseNoRoom},
	{"didn't match Pod's node affinity/selector", CauseNodeSelector}, {"didn't satisfy plugin(s) [NodeAffinity]", CauseNodeSelector},
	{"had untolerated taint", CauseTaint}, {"were unschedulable", CauseCordoned},
	{"didn't have free ports", CauseHostPort}, {"anti-affinity", CauseAffinity}, {"pod affinity rules", CauseAffinity},
	{"topology spread", CauseTopologySpread}, {"volume node affinity conflict", CauseVolumeElsewhere},
	{"unbound immediate PersistentVolumeClaims", CauseClaimPending}, {"didn't find available persistent volumes", CauseClaimPending},
	{"exceed max volume count", CauseAttach}, {"resourceclaim", CauseDevices}, {"cannot allocate all claims", CauseDevices},
}

// bySchedulersWord has only the message to go by.
func (l *look) bySchedulersWord(message string) *finding {
	f := &finding{health: Unhealthy, cause: CauseNoFit, state: "cannot be scheduled"}
	said, _, _ := strings.Cut(message, " preemption:")
	var parts []string
	causes := map[string]bool{}
	for _, m := range counted.FindAllStringSubmatch(said, -1) {
		parts = append(parts, m[1]+" "+strings.TrimSpace(m[2]))
	}
	for _, w := range schedulersWords {
		if hasAny(said, w.text) {
			causes[w.cause] = true
			f.cause = w.cause
			l.mendFit(f, w.cause)
		}
	}
	if len(causes) > 1 {
		f.cause = CauseNoFit
	}
	switch {
	case len(parts) > 0:
		f.root = "no node fits: the scheduler counts " + list(parts)
	case hasAny(message, "persistentvolumeclaim") && hasAny(message, "not found"):
		f.cause, f.root = CauseClaimMissing, short(message, 300)
	case hasAny(message, "no nodes available"):
		f.cause, f.root = CauseNoNodes, "the cluster has no nodes"
	case message != "":
		f.root = "the scheduler says: " + short(message, 300)
	default:
		f.health, f.cause, f.root = Unclear, CauseUnclear, "I cannot tell why, as the scheduler left no message: look at its log"
	}
	if f.cause == CauseTopologySpread {
		f.do("relax spec.topologySpreadConstraints (whenUnsatisfiable: ScheduleAnyway, a larger maxSkew) or add nodes to the domains that lack them", "kubectl get nodes --show-labels")
	}
	return f.link(f.root)
}
