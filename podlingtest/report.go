package podlingtest

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"

	"github.com/podling/podling/lifecycle/reason"
	"github.com/podling/podling/trace"
)

// shownPods is of how many pods a test's log tells.
const shownPods = 20

// tell ends the test for a pod that is not what it was waited for to be, and says what
// became of it.
func (c *Cluster) tell(key string, not, why error) {
	c.t.Helper()
	text := fmt.Sprintf("podlingtest: pod %s: %v", key, why)
	if not != nil && !strings.Contains(why.Error(), not.Error()) {
		text += fmt.Sprintf(": %v", not)
	}
	c.t.Fatal(text + "\n" + c.timeline(key))
}

// tellAll is tell for pods of which too few are.
func (c *Cluster) tellAll(namespace, selector string, n, held int, refused map[string]error, why error) {
	c.t.Helper()
	text := fmt.Sprintf("podlingtest: %d pods of namespace %q, selector %q: %v: there are %d", n, namespace, selector, why, held)
	for i, name := range sorted(refused) {
		if i == shownPods {
			text += fmt.Sprintf("\n… and %d more", len(refused)-i)
			break
		}
		text += fmt.Sprintf("\n%s: %v", name, refused[name])
	}
	c.t.Fatal(text)
}

// report tells in the log of a test that has failed what became of its pods, those
// that are not well first, and why podling ended if it did.
func (c *Cluster) report() {
	c.t.Helper()
	if !c.t.Failed() {
		return
	}
	keys := slices.DeleteFunc(c.env.record.after(c.since), func(key string) bool { return c.shown[key] })
	slices.SortStableFunc(keys, func(a, b string) int { return cmp.Compare(c.rank(a), c.rank(b)) })
	for i, key := range keys {
		if i == shownPods {
			c.t.Logf("… and %d more pods", len(keys)-i)
			break
		}
		c.t.Log("pod " + key + "\n" + c.timeline(key))
	}
	if c.over() {
		c.t.Log(c.env.process.gone())
	}
}

// rank is lower for pods that are more likely to be the reason.
func (c *Cluster) rank(key string) int {
	h, _ := c.env.record.of(key)
	if len(h.events) == 0 {
		return 2
	}
	pod := h.events[len(h.events)-1].Pod
	if Ready(pod) == nil || Succeeded(pod) == nil {
		return 1
	}
	return 0
}

// timeline is what became of a pod, and what the reasons mean that it gave.
func (c *Cluster) timeline(key string) string {
	c.shown[key] = true
	h, _ := c.env.record.of(key)
	if len(h.events) == 0 {
		return "    nothing is known of it: no such pod was made\n"
	}
	var b strings.Builder
	if h.dropped > 0 {
		fmt.Fprintf(&b, "    … %d events before\n", h.dropped)
	}
	printer := trace.NewPrinter(&b)
	var words []word
	for _, e := range h.events {
		if err := printer.Print(e); err != nil {
			fmt.Fprintln(&b, err)
		}
		words = append(words, reasons(e.Pod)...)
	}
	for _, w := range words {
		if !c.shown[w.name] { // once in a log is enough
			c.shown[w.name] = true
			b.WriteString(explain(w))
		}
	}
	return b.String()
}

// ordinary are the reasons that every pod goes through, or that say nothing that its phase does not.
var ordinary = []string{"", "ContainerCreating", "PodInitializing", "ContainersNotReady", "ContainersNotInitialized", "PodCompleted", "PodFailed", "Completed"}

// word is a reason, and where it stands: the same one can mean several things.
type word struct {
	name string
	kind reason.Kind
}

// reasons are those that the pod's status gives for anything that is not as it should be.
func reasons(pod *v1.Pod) []word {
	out := []word{{pod.Status.Reason, reason.Pod}}
	for _, s := range containers(pod) {
		if s.State.Waiting != nil {
			out = append(out, word{s.State.Waiting.Reason, reason.Waiting})
		}
		for _, end := range []*v1.ContainerStateTerminated{s.State.Terminated, s.LastTerminationState.Terminated} {
			if end != nil {
				out = append(out, word{end.Reason, reason.Terminated})
			}
		}
	}
	for _, c := range pod.Status.Conditions {
		if c.Status == v1.ConditionFalse || c.Type == v1.DisruptionTarget {
			out = append(out, word{c.Reason, reason.Condition})
		}
	}
	return slices.DeleteFunc(out, func(w word) bool { return slices.Contains(ordinary, w.name) })
}

// explain is what there is to know about a reason, "" if it is nobody's word.
func explain(w word) string {
	found := reason.Find(w.name)
	i := slices.IndexFunc(found, func(r reason.Reason) bool { return r.Kind == w.kind })
	if i < 0 {
		return ""
	}
	r := found[i]
	text := fmt.Sprintf("    %s: %s", r.Name, r.Meaning)
	if len(r.Causes) > 0 {
		text += "\n      usual causes: " + strings.Join(r.Causes, "; ")
	}
	if r.Next != "" {
		text += "\n      next: " + r.Next
	}
	if len(r.Fix) > 0 {
		text += "\n      fix: " + strings.Join(r.Fix, "; ")
	}
	return text + "\n"
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
