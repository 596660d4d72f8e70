package explain

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	helper "k8s.io/component-helpers/resource"
	"k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
	"k8s.io/klog/v2"
)

// obstacle is one test of the scheduler that a node does not pass.
type obstacle struct {
	cause string
	// group is what nodes with the same trouble have in common; text is about this node.
	group, text string
	words       []word
}

// obstacles are what keeps the pod from a node, by the rules of the scheduler's filters
// (pkg/scheduler/framework/plugins): NodeUnschedulable, TaintToleration, NodeAffinity,
// NodeResourcesFit, NodePorts, InterPodAffinity and VolumeBinding's node affinity.
// Topology spread and devices are not looked at.
func (l *look) obstacles(n *v1.Node) []obstacle {
	var out []obstacle
	add := func(cause, group, text string) { out = append(out, obstacle{cause: cause, group: group, text: text}) }
	pod := l.Pod
	logger := klog.Logger{}
	if n.Spec.Unschedulable && !tolerated(pod, v1.Taint{Key: v1.TaintNodeUnschedulable, Effect: v1.TaintEffectNoSchedule}) {
		add(CauseCordoned, "cordoned (kubectl cordon)", "is cordoned: spec.unschedulable")
	}
	taint, untolerated := corev1.FindMatchingUntoleratedTaint(logger, n.Spec.Taints, pod.Spec.Tolerations, func(t *v1.Taint) bool {
		return t.Effect != v1.TaintEffectPreferNoSchedule && t.Key != v1.TaintNodeUnschedulable
	}, false)
	if untolerated {
		switch taint.Key {
		case v1.TaintNodeNotReady, v1.TaintNodeUnreachable:
			add(CauseNodeNotReady, "not ready", "is not ready: "+readyText(n))
		case v1.TaintNodeMemoryPressure, v1.TaintNodeDiskPressure, v1.TaintNodePIDPressure:
			add(CauseNodePressure, "short of something: "+taint.Key, "has the taint "+taint.ToString())
		default:
			add(CauseTaint, "tainted "+taint.ToString()+", which the pod does not tolerate", "has the taint "+taint.ToString())
		}
	}
	if match, err := nodeaffinity.GetRequiredNodeAffinity(pod).Match(n); err == nil && !match {
		if wrong := wrongSelectors(pod.Spec.NodeSelector, n.Labels); len(wrong) > 0 {
			add(CauseNodeSelector, "without the label "+list(wrong)+" of the pod's nodeSelector", "lacks the label "+list(wrong))
		} else {
			add(CauseAffinity, "not what the pod's required node affinity asks for", "does not match spec.affinity.nodeAffinity")
		}
	}
	out = append(out, l.lacks(n)...)
	out = append(out, l.takenPorts(n)...)
	out = append(out, l.apart(n)...)
	out = append(out, l.volumeElsewhere(n)...)
	return out
}

func readyText(n *v1.Node) string {
	c := nodeCondition(n, v1.NodeReady)
	if c.Type == "" {
		return "it has never reported"
	}
	return strings.TrimSpace(c.Reason + " " + short(c.Message, 120))
}

func tolerated(pod *v1.Pod, taint v1.Taint) bool {
	return slices.ContainsFunc(pod.Spec.Tolerations, func(t v1.Toleration) bool { return t.ToleratesTaint(klog.Logger{}, &taint, false) })
}

// wrongSelectors are the pairs of a selector that labels do not have.
func wrongSelectors(selector, has map[string]string) []string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(selector)) {
		if v, ok := has[k]; !ok || v != selector[k] {
			out = append(out, k+"="+selector[k])
		}
	}
	return out
}

// on are the pods that take room on a node.
func (l *look) on(node string) []*v1.Pod {
	var out []*v1.Pod
	for i := range l.Pods {
		p := &l.Pods[i]
		if p.Spec.NodeName == node && p.Status.Phase != v1.PodSucceeded && p.Status.Phase != v1.PodFailed && p.UID != l.Pod.UID {
			out = append(out, p)
		}
	}
	return out
}

func requests(pod *v1.Pod) v1.ResourceList {
	return helper.PodRequests(pod, helper.PodResourcesOptions{UseStatusResources: true})
}

// lacks is what the node has too little of.
func (l *look) lacks(n *v1.Node) []obstacle {
	var out []obstacle
	there := l.on(n.Name)
	if room, ok := n.Status.Allocatable[v1.ResourcePods]; ok && int64(len(there)) >= room.Value() && l.sees(PartPods) {
		out = append(out, obstacle{cause: CauseNoRoom, group: "full: it has as many pods as it may", text: fmt.Sprintf("has %d pods, of %d that it may have", len(there), room.Value())})
	}
	wanted := requests(l.Pod)
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		want := wanted[name]
		if want.IsZero() {
			continue
		}
		room := n.Status.Allocatable[name]
		free, taken := room.DeepCopy(), resource.Quantity{}
		for _, p := range there {
			r := requests(p)[name]
			free.Sub(r)
			taken.Add(r)
		}
		if want.Cmp(free) <= 0 {
			continue
		}
		missing := want.DeepCopy()
		missing.Sub(free)
		o := obstacle{cause: CauseNoRoom, group: "short of " + string(name),
			text: fmt.Sprintf("has %s %s free of %s (pods request %s), and the pod asks for %s: %s too little", amount(free), name, amount(room), amount(taken), amount(want), amount(missing))}
		if want.Cmp(room) > 0 {
			o.cause = CauseTooLarge
			o.text = fmt.Sprintf("has %s %s in all, and the pod asks for %s: %s too little", amount(room), name, amount(want), amount(missing))
			if room.IsZero() {
				o.text = fmt.Sprintf("has no %s at all, and the pod asks for %s", name, amount(want))
			}
		}
		out = append(out, o)
	}
	return out
}

// amount writes a quantity as people do.
func amount(q resource.Quantity) string {
	if q.Format == resource.BinarySI || q.Value() > 1<<20 {
		v := q.Value()
		for _, u := range []struct {
			size int64
			name string
		}{{1 << 40, "Ti"}, {1 << 30, "Gi"}, {1 << 20, "Mi"}} {
			if v >= u.size || v <= -u.size {
				return strings.TrimSuffix(fmt.Sprintf("%.1f", float64(v)/float64(u.size)), ".0") + u.name
			}
		}
	}
	if q.MilliValue()%1000 == 0 {
		return strconv.FormatInt(q.Value(), 10) // 1M CPUs are hard to read
	}
	return q.String()
}

// takenPorts are host ports that other pods have there.
func (l *look) takenPorts(n *v1.Node) []obstacle {
	var out []obstacle
	for _, want := range hostPorts(l.Pod) {
		for _, p := range l.on(n.Name) {
			if slices.ContainsFunc(hostPorts(p), want.clashes) {
				out = append(out, obstacle{cause: CauseHostPort,
					group: fmt.Sprintf("with host port %d/%s taken by another pod", want.port, want.protocol),
					text:  fmt.Sprintf("has host port %d/%s taken by pod %s/%s", want.port, want.protocol, p.Namespace, p.Name)})
				break
			}
		}
	}
	return out
}

type hostPort struct {
	ip       string
	protocol v1.Protocol
	port     int32
}

func (p hostPort) clashes(other hostPort) bool {
	return p.port == other.port && p.protocol == other.protocol && (p.ip == other.ip || p.ip == "0.0.0.0" || other.ip == "0.0.0.0")
}

func hostPorts(pod *v1.Pod) []hostPort {
	var out []hostPort
	for _, c := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
		for _, p := range c.Ports {
			port := p.HostPort
			if pod.Spec.HostNetwork && port == 0 {
				port = p.ContainerPort
			}
			if port == 0 {
				continue
			}
			h := hostPort{ip: p.HostIP, protocol: p.Protocol, port: port}
			if h.ip == "" {
				h.ip = "0.0.0.0"
			}
			if h.protocol == "" {
				h.protocol = v1.ProtocolTCP
			}
			out = append(out, h)
		}
	}
	return out
}

// apart are required rules between pods that the node does not meet. Terms that choose
// namespaces by label or keys by the pod's own are left to the scheduler's message.
func (l *look) apart(n *v1.Node) []obstacle {
	a := l.Pod.Spec.Affinity
	if a == nil || !l.sees(PartPods) {
		return nil
	}
	var out []obstacle
	if a.PodAntiAffinity != nil {
		for _, term := range a.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution {
			if p, ok := l.beside(n, &term); ok && p != nil {
				out = append(out, obstacle{cause: CauseAffinity, group: "with a pod that its anti-affinity keeps away from",
					text: fmt.Sprintf("has pod %s/%s in its %s, which the pod's required anti-affinity keeps away from", p.Namespace, p.Name, term.TopologyKey)})
			}
		}
	}
	if a.PodAffinity != nil {
		for _, term := range a.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution {
			selector, err := metav1.LabelSelectorAsSelector(term.LabelSelector)
			if p, ok := l.beside(n, &term); ok && p == nil && err == nil && !selector.Matches(labels.Set(l.Pod.Labels)) {
				out = append(out, obstacle{cause: CauseAffinity, group: "without a pod that its affinity asks for",
					text: fmt.Sprintf("has no pod with %s in its %s, which the pod's required affinity asks for", selector, term.TopologyKey)})
			}
		}
	}
	return out
}

// beside is a pod that a term selects in the node's topology domain, and whether that can be told.
func (l *look) beside(n *v1.Node, term *v1.PodAffinityTerm) (*v1.Pod, bool) {
	if term.NamespaceSelector != nil || len(term.MatchLabelKeys)+len(term.MismatchLabelKeys) > 0 {
		return nil, false
	}
	selector, err := metav1.LabelSelectorAsSelector(term.LabelSelector)
	domain, labelled := n.Labels[term.TopologyKey]
	if err != nil || !labelled {
		return nil, false
	}
	for i := range l.Nodes {
		if l.Nodes[i].Labels[term.TopologyKey] != domain {
			continue
		}
		for _, p := range l.on(l.Nodes[i].Name) {
			in := p.Namespace == l.Pod.Namespace && len(term.Namespaces) == 0 || slices.Contains(term.Namespaces, p.Namespace)
			if in && selector.Matches(labels.Set(p.Labels)) {
				return p, true
			}
		}
	}
	return nil, true
}

// volumeElsewhere: a volume that is bound already can only be reached from other nodes.
func (l *look) volumeElsewhere(n *v1.Node) []obstacle {
	var out []obstacle
	for _, v := range l.claimsOf() {
		claim := l.claim(v.claim)
		if claim == nil || claim.Spec.VolumeName == "" {
			continue
		}
		for i := range l.Volumes {
			pv := &l.Volumes[i]
			if pv.Name != claim.Spec.VolumeName || pv.Spec.NodeAffinity == nil || pv.Spec.NodeAffinity.Required == nil {
				continue
			}
			if match, err := corev1.MatchNodeSelectorTerms(n, pv.Spec.NodeAffinity.Required); err == nil && !match {
				out = append(out, obstacle{cause: CauseVolumeElsewhere, group: "where the volume of claim " + claim.Name + " cannot be reached",
					text: fmt.Sprintf("cannot reach volume %s of claim %s: its node affinity says where it can be", pv.Name, claim.Name)})
			}
		}
	}
	return out
}
