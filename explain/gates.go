package explain

import (
	"fmt"
	"time"

	v1 "k8s.io/api/core/v1"

	"github.com/podling/podling/lifecycle/reason"
)

// readinessGates: the containers are ready, and a condition that the pod waits for is not True.
func readinessGates(l *look) *finding {
	if l.Pod.Status.Phase != v1.PodRunning || l.condition(v1.ContainersReady).Status != v1.ConditionTrue || l.condition(v1.PodReady).Status == v1.ConditionTrue {
		return nil
	}
	f := &finding{health: Unhealthy, cause: CauseReadinessGate, state: "is not ready"}
	for _, g := range l.Pod.Spec.ReadinessGates {
		c := l.condition(g.ConditionType)
		switch {
		case c.Type == "":
			f.root = fmt.Sprintf("its containers are ready, and nobody has set the condition %s that its readinessGates ask for", g.ConditionType)
		case c.Status != v1.ConditionTrue:
			f.root = fmt.Sprintf("its containers are ready, and the condition %s that its readinessGates ask for is %s: %s", g.ConditionType, c.Status, short(c.Reason+" "+c.Message, 200))
			f.showCondition(c)
		default:
			continue
		}
		break
	}
	ready := l.condition(v1.PodReady)
	if f.root == "" && ready.Reason != "ReadinessGatesNotReady" {
		return nil
	}
	if f.root == "" {
		f.root = "its containers are ready, and a readiness gate is not: " + short(ready.Message, 200)
	}
	f.link("not Ready: ReadinessGatesNotReady", word{reason.Condition, "ReadinessGatesNotReady"}).link(f.root).showCondition(ready)
	f.do("look at the controller that is to set the condition (a load balancer's, for example)", l.kubectl("get pod %s -o jsonpath='{.spec.readinessGates}'", l.Pod.Name))
	return f.then("Ready is True as soon as the condition is.")
}

// unreported: the pod has a node, and says nothing of why it is not ready.
func unreported(l *look) *finding {
	s := l.Pod.Status
	ready := l.condition(v1.PodReady)
	if done(s.Phase) || ready.Status == v1.ConditionTrue {
		return nil
	}
	f := &finding{health: Starting, cause: CausePulling, state: "is being started"}
	f.link("phase " + orNone(string(s.Phase)))
	if ready.Reason != "" {
		f.about(word{reason.Condition, ready.Reason})
	}
	if s.Phase == v1.PodUnknown {
		f.health, f.cause, f.state, f.root = Unhealthy, CauseNodeSilent, "is out of sight", "its phase is Unknown: its node "+l.Pod.Spec.NodeName+" does not answer"
		return f.link(f.root).do("look at the node", "podling explain node/"+l.Pod.Spec.NodeName)
	}
	if age := l.Now.Sub(l.since()); age > 2*time.Minute {
		f.health, f.cause, f.state = Unclear, CauseUnclear, "is not ready"
		f.root = fmt.Sprintf("I cannot tell why: no container of it, no condition and no Event says what is wrong, for %s; look at its node", span(age))
		f.link(f.root).do("is its node well?", "podling explain node/"+l.Pod.Spec.NodeName)
	}
	return f.then("Its containers start, or its status says why not.")
}

// well: nothing is wrong.
func well(l *look) *finding {
	f := &finding{health: Healthy, cause: CauseNone, state: "is healthy: it runs and is ready"}
	f.link("Running and Ready", word{reason.Phase, string(v1.PodRunning)}).showCondition(l.condition(v1.PodReady))
	for _, s := range statuses(l.Pod) {
		if t := s.LastTerminationState.Terminated; t != nil && s.RestartCount > 0 {
			f.also = append(f.also, fmt.Sprintf("Container %s was restarted %s, the last time %s ago: %s, exit code %d.", s.Name, timesText(s.RestartCount), span(l.Now.Sub(t.FinishedAt.Time)), t.Reason, t.ExitCode))
			f.about(word{reason.Terminated, t.Reason})
		}
	}
	return f
}
