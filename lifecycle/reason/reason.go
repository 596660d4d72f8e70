// Package reason is what there is to know about every word with which a pod's
// status, its Events and its node say what happens to it: what the word means,
// what brings it about, who says it, what happens next, and what to do. It is
// data, and stands beside the core: lifecycle says the words, this explains them.
package reason

import (
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"
)

// Kind is what sort of word it is. It tells which object to look at.
type Kind string

// The kinds. Phase to Pod are seen in a Pod, the others in an object of that kind.
const (
	Phase      Kind = "phase"      // sums the pod up
	Condition  Kind = "condition"  // a type of condition, or the reason of one
	Waiting    Kind = "waiting"    // why a container does not run yet, or again
	Terminated Kind = "terminated" // how a container ended
	Pod        Kind = "pod"        // why a pod as a whole ended, or was not taken
	Event      Kind = "event"
	Node       Kind = "node" // a condition of the node, or the reason of one
)

// Reason is one word and what there is to know about it.
type Reason struct {
	Name string
	Kind Kind
	// Where the word is seen: a JSONPath without braces, as in
	// kubectl get pod NAME -o jsonpath='{.PATH}'.
	Where   string
	Meaning string
	Causes  []string // the usual ones, the commonest first
	By      string   // the component that says it
	Next    string   // what happens then by itself, and when
	Fix     []string // commands, or changes of the manifest
	// Source is where upstream says it: files of k8s.io/kubernetes or of another
	// Go module, and KEPs.
	Source  []string
	Example Example
	Aliases []string // what other versions and runtimes call it
}

// Example is a manifest that brings the word about.
type Example struct {
	File string // in examples/reasons; "" if there is none
	// How it comes about there and what else it needs; without a file, why there is none.
	How string
}

// The components that say something about a pod.
const (
	byKubelet   = "kubelet"
	byRuntime   = "container runtime"
	byScheduler = "kube-scheduler"
	byAPIServer = "kube-apiserver"
	byTaints    = "taint eviction controller"
	byNodes     = "node lifecycle controller"
	byPodGC     = "pod garbage collector"
)

// Where words are seen.
const (
	inPhase      = `status.phase`
	inReason     = `status.reason`
	inWaiting    = `status.containerStatuses[*].state.waiting.reason`
	inTerminated = `status.containerStatuses[*].state.terminated.reason`
	inEvent      = `reason`
)

func inCondition(t v1.PodConditionType) string {
	return `status.conditions[?(@.type=="` + string(t) + `")].status`
}

func inReasonOf(t v1.PodConditionType) string {
	return `status.conditions[?(@.type=="` + string(t) + `")].reason`
}

// All is every word, kind by kind. What it holds is shared and not to be changed.
func All() []Reason {
	return slices.Concat(phases, conditionTypes, conditionReasons, waiting, terminated, pods, admission,
		startEvents, nodeEvents, controllerEvents, nodes)
}

// Find gives the entries of a name, in the order of All: the same word can stand
// in several places. Old names find what took their place, upper and lower case
// are one, and so is what kubectl puts before a word for an init container.
func Find(name string) []Reason {
	name = strings.TrimSpace(name)
	if len(name) > len(initPrefix) && strings.EqualFold(name[:len(initPrefix)], initPrefix) {
		name = name[len(initPrefix):]
	}
	is := func(other string) bool { return strings.EqualFold(other, name) }
	return slices.DeleteFunc(All(), func(r Reason) bool { return !is(r.Name) && !slices.ContainsFunc(r.Aliases, is) })
}

// initPrefix stands in kubectl's STATUS column before the word of an init container.
const initPrefix = "Init:"
