package explain

import (
	"fmt"
	"slices"
	"strings"
	"time"

	v1 "k8s.io/api/core/v1"

	"github.com/podling/podling/lifecycle/reason"
)

// pressures are the conditions with which a node says that it is short of something.
var pressures = []struct {
	kind v1.NodeConditionType
	what string
	word string
}{
	{v1.NodeMemoryPressure, "memory", "KubeletHasInsufficientMemory"},
	{v1.NodeDiskPressure, "disk", "KubeletHasDiskPressure"},
	{v1.NodePIDPressure, "process IDs", "KubeletHasInsufficientPID"},
}

// Node explains a node: World.Nodes has to hold it, World.Events are about it, and pods are the
// explanations of those that are on it.
func Node(w World, n *v1.Node, pods []Explanation) Explanation {
	l := newLook(w)
	e := Explanation{Kind: "Node", Name: n.Name, Time: w.Now.UTC(), Unseen: sortedUnseen(w.Unseen)}
	bad := map[string]int{}
	for _, p := range pods {
		if p.Health != Healthy {
			e.Pods = append(e.Pods, p)
			bad[p.Cause]++
		}
	}
	f := l.nodeTrouble(n)
	if len(e.Pods) > 0 {
		f.also = append(f.also, sentence(fmt.Sprintf("%s on it that %s not healthy", plural(len(e.Pods), "pod is", "pods are"), map[bool]string{true: "is", false: "are"}[len(e.Pods) == 1])))
	}
	return e.with(f)
}

func (l *look) nodeTrouble(n *v1.Node) *finding {
	ready := nodeCondition(n, v1.NodeReady)
	show := func(f *finding, c v1.NodeCondition) *finding {
		if c.Type != "" {
			f.about(word{reason.Node, c.Reason})
			f.show("node", inCondition(v1.PodConditionType(c.Type)), strings.TrimSpace(fmt.Sprintf("%s=%s %s: %s", c.Type, c.Status, c.Reason, c.Message)), c.LastTransitionTime.Time)
		}
		return f
	}
	f := &finding{health: Unhealthy, state: "is not ready"}
	switch {
	case ready.Type == "" || ready.Reason == "NodeStatusNeverUpdated":
		f.cause, f.root = CauseNodeSilent, "no kubelet has ever reported for it: it was made by hand or by a cloud, and its kubelet does not come up or has another name"
		f.about(word{reason.Node, "NodeStatusNeverUpdated"})
		f.do("look at the kubelet of the machine (--hostname-override, kubeconfig), or delete the node if there is no such machine", "kubectl delete node "+n.Name)
		return show(f.link("Ready Unknown").link(f.root), ready)
	case ready.Status == v1.ConditionUnknown:
		f.cause, f.root = CauseNodeSilent, "it does not answer"
		if at := ready.LastHeartbeatTime; !at.IsZero() {
			f.root = "it has not answered since " + at.UTC().Format(time.RFC3339)
		}
		f.do("is the machine up and does it reach the API server? Look at its kubelet", "kubectl get lease -n kube-node-lease "+n.Name+" -o jsonpath='{.spec.renewTime}'")
		f.at(l.Now, ready.LastTransitionTime.Add(300*time.Second), "Its pods are evicted, unless it answers before.")
		return show(f.link("Ready Unknown").link(f.root), ready)
	case ready.Status == v1.ConditionFalse:
		f.cause, f.root = CauseNodeNotReady, "it says itself that it cannot run pods: "+short(ready.Message, 300)
		switch {
		case hasAny(ready.Message, "network not ready", "NetworkReady=false", "cni"):
			f.cause, f.root = CauseNetwork, "its pod network is not set up: "+short(ready.Message, 300)
			f.do("look at the network plugin", "kubectl -n kube-system get pods -o wide --field-selector spec.nodeName="+n.Name)
		case hasAny(ready.Message, "runtime"):
			f.root = "its container runtime does not answer: " + short(ready.Message, 300)
			f.do("on the node: systemctl status containerd; journalctl -u containerd", "")
		}
		f.then("It is ready again as soon as runtime and network are; otherwise its pods are evicted after the time that they tolerate it (300 s as a rule).")
		return show(f.link("Ready False").link(f.root), ready)
	}
	f.state = "is ready, and short of something"
	for _, p := range pressures {
		if c := nodeCondition(n, p.kind); c.Status == v1.ConditionTrue {
			f.cause, f.root = CauseNodePressure, "it is short of "+p.what+": "+short(c.Message, 200)
			f.then("Pods are evicted until it is better; the condition stays for 5 minutes after that.")
			f.do("what uses it?", "kubectl describe node "+n.Name)
			return show(f.link(string(p.kind)).link(f.root, word{reason.Node, p.word}), c)
		}
	}
	if n.Spec.Unschedulable {
		f = &finding{health: Unhealthy, cause: CauseCordoned, state: "is ready, and takes no new pods", root: "it is cordoned (spec.unschedulable), as for maintenance"}
		return show(f.link("cordoned").link(f.root).do("let it take pods again", "kubectl uncordon "+n.Name), ready)
	}
	if i := slices.IndexFunc(l.events, func(e v1.Event) bool { return e.Reason == "FailedValidation" && e.InvolvedObject.Kind == "Node" }); i >= 0 && l.Now.Sub(eventTime(&l.events[i])) < time.Hour {
		f = &finding{health: Unhealthy, cause: CauseInvalidManifest, state: "is ready, and cannot run a static pod", root: short(l.events[i].Message, 300)}
		return f.link(f.root).showEvent(&l.events[i]).do("correct the manifest in the node's folder", "")
	}
	f = &finding{health: Healthy, cause: CauseNone, state: "is healthy: it is ready"}
	for _, t := range n.Spec.Taints {
		f.also = append(f.also, "It has the taint "+t.ToString()+".")
	}
	show(f.link("Ready"), ready)
	for _, p := range pressures {
		f.about(word{reason.Node, nodeCondition(n, p.kind).Reason})
	}
	return f
}
