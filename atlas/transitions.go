package atlas

import (
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"

	v1 "k8s.io/api/core/v1"

	"github.com/podling/podling/lifecycle/reason"
)

// place is where words follow one another: the phase, a container's state, a condition.
type place string

const (
	phasePlace     place = "phase"
	containerPlace place = "container"
)

// edge is one word right after another at the same place.
type edge struct {
	at       place
	from, to string
}

// edges are all that the recordings show, with how often they do.
type edges map[edge]int

// transitions goes through all recordings, once.
var transitions = sync.OnceValues(func() (edges, error) {
	out := edges{}
	files, err := fs.Glob(recorded, "recorded/*.json")
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		r, err := recordingOf(path.Base(strings.TrimSuffix(file, ".json")))
		if err != nil {
			return nil, err
		}
		out.add(r)
	}
	return out, nil
})

func (s edges) add(r *Recording) {
	last := map[string]string{} // by pod and place
	for _, step := range r.Steps {
		see := func(at place, which, now string) {
			key := step.Pod + " " + string(at) + " " + which
			if before := last[key]; now != "" && before != now {
				s[edge{at, before, now}]++
				last[key] = now
			}
		}
		see(phasePlace, "", string(step.Status.Phase))
		for _, c := range slices.Concat(step.Status.InitContainerStatuses, step.Status.ContainerStatuses) {
			see(containerPlace, c.Name, state(&c.State))
		}
		for _, c := range step.Status.Conditions {
			now := string(c.Status)
			if c.Reason != "" {
				now += " " + c.Reason
			}
			see(place(c.Type), "", now)
		}
	}
}

func state(s *v1.ContainerState) string {
	switch {
	case s.Waiting != nil:
		return "waiting " + s.Waiting.Reason
	case s.Running != nil:
		return "running"
	case s.Terminated != nil:
		return "terminated " + s.Terminated.Reason
	}
	return ""
}

// is says whether what stands at a place is the word.
func is(r reason.Reason, at place, said string) bool {
	switch r.Kind {
	case reason.Phase:
		return at == phasePlace && said == r.Name
	case reason.Waiting, reason.Terminated:
		return at == containerPlace && said == string(r.Kind)+" "+r.Name
	case reason.Condition:
		_, word, _ := strings.Cut(said, " ")
		return word == r.Name && strings.Contains(r.Where, `"`+string(at)+`"`)
	}
	return false
}

func (s edges) before(r reason.Reason) []string {
	return s.beside(func(e edge) (string, bool) { return e.from, is(r, e.at, e.to) && !is(r, e.at, e.from) })
}

func (s edges) after(r reason.Reason) []string {
	return s.beside(func(e edge) (string, bool) { return e.to, is(r, e.at, e.from) && !is(r, e.at, e.to) })
}

func (s edges) beside(of func(edge) (string, bool)) []string {
	found := map[string]bool{}
	for e := range s {
		if said, ok := of(e); ok && said != "" {
			found[said] = true
		}
	}
	return slices.AppendSeq([]string{}, slices.Values(slices.Sorted(maps.Keys(found))))
}

// diagram draws what follows what at a place, in mermaid's language.
func (s edges) diagram(at place) string {
	var lines []string
	ids := map[string]string{}
	id := func(said string) string {
		if said == "" {
			return "[*]"
		}
		if ids[said] == "" {
			ids[said] = "s_" + strings.Map(func(r rune) rune {
				if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
					return r
				}
				return '_'
			}, said)
		}
		return ids[said]
	}
	for e := range s {
		if e.at == at {
			lines = append(lines, "  "+id(e.from)+" --> "+id(e.to))
		}
	}
	slices.Sort(lines)
	lines = slices.Compact(lines)
	var names []string
	for said, i := range ids {
		names = append(names, "  state \""+said+"\" as "+i)
	}
	slices.Sort(names)
	return "stateDiagram-v2\n" + strings.Join(slices.Concat(names, lines), "\n") + "\n"
}
