package explain

import (
	"slices"
	"time"

	"github.com/podling/podling/lifecycle/reason"
)

// Health is how it stands with what is explained.
type Health string

// The healths.
const (
	// Healthy needs nothing: it runs and is ready, or has done its work.
	Healthy Health = "healthy"
	// Starting is not there yet, and nothing says that it will not be.
	Starting Health = "starting"
	// Ending is being deleted, in its time.
	Ending Health = "ending"
	// Unhealthy has a trouble that the explanation names.
	Unhealthy Health = "unhealthy"
	// Unclear is not well, and why cannot be told from what was seen.
	Unclear Health = "unclear"
)

// Explanation is what there is to say about one object; docs/explain.md describes its JSON form.
type Explanation struct {
	Kind      string    `json:"kind"`
	Namespace string    `json:"namespace,omitempty"`
	Name      string    `json:"name"`
	Time      time.Time `json:"time"` // the moment that is explained

	Health Health `json:"health"`
	// Verdict is one sentence that names the root cause.
	Verdict string `json:"verdict"`
	// Cause is the root cause as one word that programs can compare; docs/explain.md lists them.
	Cause string `json:"cause"`

	// Chain leads from what one sees to the root.
	Chain    []Link     `json:"chain"`
	Evidence []Evidence `json:"evidence"`
	Next     []Next     `json:"next"`
	Fix      []Fix      `json:"fix"`
	Atlas    []Entry    `json:"atlas"`
	// Also are sentences about other things that are wrong, or will be.
	Also []string `json:"also"`
	// Unseen is what could not be looked at, with the reason.
	Unseen []Gap `json:"unseen"`
	// Pods are the explanations of a controller's or a node's pods that are not healthy.
	Pods []Explanation `json:"pods,omitempty"`
}

// Link is a step from the symptom to the root.
type Link struct {
	Text string `json:"text"`
	// Word is the entry of the atlas that it is about, if there is one.
	Word string `json:"word,omitempty"`
}

// Evidence is what says so.
type Evidence struct {
	Time *time.Time `json:"time,omitempty"`
	// From is status, spec, event, log, node or another object's kind and name.
	From string `json:"from"`
	// Where is a JSONPath in the pod, an Event's reason, or a container's name.
	Where string `json:"where,omitempty"`
	Text  string `json:"text"`
}

// Next is what happens by itself.
type Next struct {
	// At is when, if that can be told; Seconds is how long it is until then.
	At      *time.Time `json:"at,omitempty"`
	Seconds *float64   `json:"seconds,omitempty"`
	Text    string     `json:"text"`
	// Computed says that At was worked out from the statuses by Kubernetes' rules, and is nobody's promise.
	Computed bool `json:"computed,omitempty"`
}

// Fix is something to do.
type Fix struct {
	Text    string `json:"text"`
	Command string `json:"command,omitempty"`
	// Diff is a change of the manifest: lines that begin with - or +.
	Diff string `json:"diff,omitempty"`
}

// Gap is what could not be seen.
type Gap struct {
	What Part   `json:"what"`
	Why  string `json:"why"`
}

// Entry is an entry of the atlas, in short.
type Entry struct {
	Name    string      `json:"name"`
	Kind    reason.Kind `json:"kind"`
	Meaning string      `json:"meaning"`
	Next    string      `json:"next"`
}

// finding is what a rule has found.
type finding struct {
	health Health
	cause  string
	// state is what the subject does, as a verb phrase: "cannot be scheduled".
	state string
	// root is the true cause, as a clause.
	root     string
	chain    []Link
	evidence []Evidence
	next     []Next
	fix      []Fix
	words    []word
	// also are things by the way.
	also []string
}

// word is an entry of the atlas.
type word struct {
	kind reason.Kind
	name string
}

func (w word) entry() (Entry, bool) {
	for _, r := range reason.Find(w.name) {
		if r.Kind == w.kind {
			return Entry{Name: r.Name, Kind: r.Kind, Meaning: r.Meaning, Next: r.Next}, true
		}
	}
	return Entry{}, false
}

// link adds a step towards the root.
func (f *finding) link(text string, w ...word) *finding {
	l := Link{Text: harmless(text)}
	if len(w) > 0 {
		l.Word = w[0].name
		f.about(w...)
	}
	f.chain = append(f.chain, l)
	return f
}

// before puts the steps in front of what is there.
func (f *finding) before(links ...Link) *finding {
	f.chain = slices.Concat(links, f.chain)
	return f
}

func (f *finding) about(w ...word) *finding {
	for _, one := range w {
		if _, known := one.entry(); known && !slices.Contains(f.words, one) {
			f.words = append(f.words, one)
		}
	}
	return f
}

// show adds evidence.
func (f *finding) show(from, where, text string, at time.Time) *finding {
	e := Evidence{From: from, Where: where, Text: harmless(text)}
	if !at.IsZero() && at.Year() > 1970 { // a container that never ran says 1970
		at = at.UTC()
		e.Time = &at
	}
	f.evidence = append(f.evidence, e)
	return f
}

func (f *finding) do(text, command string) *finding {
	f.fix = append(f.fix, Fix{Text: harmless(text), Command: harmless(command)})
	return f
}

func (f *finding) change(text, diff string) *finding {
	f.fix = append(f.fix, Fix{Text: harmless(text), Diff: harmlessLines(diff)})
	return f
}

// then says what happens next, at no moment that is known.
func (f *finding) then(text string) *finding {
	f.next = append(f.next, Next{Text: harmless(text)})
	return f
}

// at says what happens at a moment that was computed.
func (f *finding) at(now, at time.Time, text string) *finding {
	at = at.UTC()
	seconds := at.Sub(now).Seconds()
	f.next = append(f.next, Next{At: &at, Seconds: &seconds, Text: harmless(text), Computed: true})
	return f
}
