package trace

import (
	"slices"
	"strconv"
	"strings"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Part is the part of a pod that a Change is about.
type Part string

// The parts of a pod. Name says which condition or container.
const (
	Whole              Part = "pod"
	Condition          Part = "condition"
	InitContainer      Part = "init container"
	Container          Part = "container"
	EphemeralContainer Part = "ephemeral container"
)

// Change is one field of a pod that an event made different.
type Change struct {
	Part   Part
	Name   string // of the condition or container
	Field  string // as the API calls it, for example podIP, status, state, restartCount
	Was    string // "" is unset, as in Is
	Is     string
	Detail string // what comes with the value: a condition's reason and message, a state's particulars
}

// Compare lists what differs between two states of a pod, in the order in which it is best read:
// the phase, conditions, containers, the rest of the status, and then what was changed in the spec
// and the metadata. A pod that was nil is compared with nothing, and what its author wrote is left
// out. Versions, managed fields and times that only go with a change that is listed are left out.
func Compare(was, is *v1.Pod) []Change {
	known := was != nil
	if !known {
		was = &v1.Pod{}
	}
	var c changes
	c.whole("phase", string(was.Status.Phase), string(is.Status.Phase))
	c.whole("reason", was.Status.Reason, is.Status.Reason)
	c.whole("message", was.Status.Message, is.Status.Message)
	c.conditions(&was.Status, &is.Status)
	c.containers(InitContainer, was.Status.InitContainerStatuses, is.Status.InitContainerStatuses)
	c.containers(Container, was.Status.ContainerStatuses, is.Status.ContainerStatuses)
	c.containers(EphemeralContainer, was.Status.EphemeralContainerStatuses, is.Status.EphemeralContainerStatuses)
	c.whole("nodeName", was.Spec.NodeName, is.Spec.NodeName)
	c.whole("hostIP", hostIPs(was), hostIPs(is))
	c.whole("podIP", podIPs(was), podIPs(is))
	c.whole("startTime", moment(was.Status.StartTime), moment(is.Status.StartTime))
	c.whole("qosClass", string(was.Status.QOSClass), string(is.Status.QOSClass))
	c.whole("nominatedNodeName", was.Status.NominatedNodeName, is.Status.NominatedNodeName)
	c.whole("deletionTimestamp", moment(was.DeletionTimestamp), moment(is.DeletionTimestamp))
	c.whole("deletionGracePeriodSeconds", number(was.DeletionGracePeriodSeconds), number(is.DeletionGracePeriodSeconds))
	c.whole("finalizers", strings.Join(was.Finalizers, ","), strings.Join(is.Finalizers, ","))
	if known {
		c.whole("generation", generation(was.Generation), generation(is.Generation))
	}
	c.whole("observedGeneration", generation(was.Status.ObservedGeneration), generation(is.Status.ObservedGeneration))
	c.rest(was, is, known)
	return c
}

// changes is a list of changes being made.
type changes []Change

// add appends the change if there is one.
func (c *changes) add(change Change) {
	if change.Was != change.Is {
		*c = append(*c, change)
	}
}

// whole adds a change of a field of the pod itself.
func (c *changes) whole(field, was, is string) {
	c.add(Change{Part: Whole, Field: field, Was: was, Is: is})
}

// conditions adds what differs between the conditions of two statuses, in the order of the second.
func (c *changes) conditions(was, is *v1.PodStatus) {
	find := func(in []v1.PodCondition, kind v1.PodConditionType) v1.PodCondition {
		i := slices.IndexFunc(in, func(c v1.PodCondition) bool { return c.Type == kind })
		if i < 0 {
			return v1.PodCondition{}
		}
		return in[i]
	}
	for _, now := range is.Conditions {
		before := find(was.Conditions, now.Type)
		change := func(field, was, is string) {
			c.add(Change{Part: Condition, Name: string(now.Type), Field: field, Was: was, Is: is})
		}
		if before.Status != now.Status || before.Reason != now.Reason || before.Message != now.Message {
			*c = append(*c, Change{Part: Condition, Name: string(now.Type), Field: "status",
				Was: string(before.Status), Is: string(now.Status), Detail: sentence(now.Reason, now.Message)})
		}
		if before.Status == now.Status {
			change("lastTransitionTime", moment(&before.LastTransitionTime), moment(&now.LastTransitionTime))
		}
		change("lastProbeTime", moment(&before.LastProbeTime), moment(&now.LastProbeTime))
		if now := lag(now, is); now != "" {
			change("observedGeneration", lag(before, was), now)
		}
	}
	for _, before := range was.Conditions {
		if find(is.Conditions, before.Type).Type == "" {
			c.add(Change{Part: Condition, Name: string(before.Type), Field: "status", Was: string(before.Status)})
		}
	}
}

// lag is the generation that a condition was made for, if the rest of the status was made for another.
func lag(condition v1.PodCondition, status *v1.PodStatus) string {
	if status.ObservedGeneration == 0 || condition.ObservedGeneration == status.ObservedGeneration {
		return ""
	}
	return generation(condition.ObservedGeneration)
}

// sentence is a reason and a message as people write them.
func sentence(reason, message string) string {
	if reason == "" || message == "" {
		return reason + message
	}
	return reason + ": " + message
}

func hostIPs(pod *v1.Pod) string {
	ips := []string{pod.Status.HostIP}
	for _, ip := range pod.Status.HostIPs {
		ips = append(ips, ip.IP)
	}
	return distinct(ips)
}

func podIPs(pod *v1.Pod) string {
	ips := []string{pod.Status.PodIP}
	for _, ip := range pod.Status.PodIPs {
		ips = append(ips, ip.IP)
	}
	return distinct(ips)
}

// distinct joins what is not empty, each once.
func distinct(all []string) string {
	var out []string
	for _, s := range all {
		if s != "" && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return strings.Join(out, ",")
}

func moment(t *metav1.Time) string {
	if t == nil || t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

func number(n *int64) string {
	if n == nil {
		return ""
	}
	return strconv.FormatInt(*n, 10)
}

func generation(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}
