package explain

import (
	"strings"

	v1 "k8s.io/api/core/v1"

	"github.com/podling/podling/lifecycle/reason"
)

// Pod explains a pod. World.Pod has to be set.
func Pod(w World) Explanation {
	l := newLook(w)
	found := &finding{health: Unclear, cause: CauseUnclear}
	for _, r := range rules {
		if f := r(l); f != nil {
			found = f
			break
		}
	}
	for _, r := range asides {
		f := r(l)
		if f == nil {
			continue
		}
		if found.health == Healthy && found.root == "" && f.root != "" {
			f.health = Healthy // it goes on all the same
			f.evidence = append(f.evidence, found.evidence...)
			found = f
			continue
		}
		if f.root != "" {
			found.also = append(found.also, sentence(f.state+": "+f.root))
		}
		found.about(f.words...)
	}
	l.symptoms(found)
	e := Explanation{
		Kind: "Pod", Namespace: w.Pod.Namespace, Name: w.Pod.Name, Time: w.Now.UTC(),
		Unseen: sortedUnseen(w.Unseen),
	}
	return e.with(found)
}

// symptoms adds the words that one sees on a pod that is not healthy: its phase and its conditions.
func (l *look) symptoms(f *finding) {
	if f.health == Healthy {
		return
	}
	f.about(word{reason.Phase, string(l.Pod.Status.Phase)})
	for _, c := range l.Pod.Status.Conditions {
		if c.Status != v1.ConditionTrue {
			f.about(word{reason.Condition, c.Reason}, word{reason.Condition, string(c.Type)})
		}
	}
}

// with puts what was found into an explanation.
func (e Explanation) with(f *finding) Explanation {
	e.Health, e.Cause = f.health, f.cause
	e.Verdict = verdict(e.Kind, e.Namespace, e.Name, f)
	e.Chain, e.Evidence, e.Next, e.Fix = orEmpty(f.chain), orEmpty(f.evidence), orEmpty(f.next), orEmpty(f.fix)
	e.Also, e.Atlas = orEmpty(f.also), []Entry{}
	for _, w := range f.words {
		if entry, ok := w.entry(); ok {
			e.Atlas = append(e.Atlas, entry)
		}
	}
	return e
}

func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// verdict is the one sentence.
func verdict(kind, namespace, name string, f *finding) string {
	subject := kind + " " + name
	if namespace != "" && namespace != v1.NamespaceDefault {
		subject = kind + " " + namespace + "/" + name
	}
	text := subject + " " + f.state
	if f.root != "" {
		text += ": " + f.root
	}
	return sentence(text)
}

func sentence(text string) string {
	text = strings.TrimRight(harmless(text), " .:;")
	if strings.HasSuffix(text, "?") || strings.HasSuffix(text, "…") {
		return text
	}
	return text + "."
}

// Well says whether a pod's status alone shows that it needs no explanation: it runs
// and is ready, or has done its work. It is a sieve for lists of pods, and agrees with Pod's
// Health wherever no other object is needed.
func Well(pod *v1.Pod) bool {
	switch {
	case pod.DeletionTimestamp != nil:
		return false
	case pod.Status.Phase == v1.PodSucceeded:
		return true
	case pod.Status.Phase != v1.PodRunning:
		return false
	}
	return conditionOf(pod, v1.PodReady).Status == v1.ConditionTrue
}
