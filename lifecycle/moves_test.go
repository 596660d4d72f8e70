package lifecycle

import (
	"fmt"
	"maps"
	"slices"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// move is one thing that may happen next.
type move struct {
	what  string
	often int // how often random lives draw it, compared with others
	kind  kindOfMove
	do    func(l *life)
}

// kindOfMove is what a move does to a pod's way.
type kindOfMove int

const (
	event kindOfMove = iota // somebody, or a container, does something
	help                    // the node gets on with what it is about
	fault                   // something goes wrong that need not
)

// bound is how much may still happen of what could happen for ever. Bounds are
// part of the state that the search is in.
type bound struct {
	faults int8
	ends   int8 // of containers, by themselves or by their probes
}

// moves are all that may happen next. choose picks the values that a move may
// have, of n or of a few that stand for them.
func (l *life) moves(p *Plan) []move {
	m := make([]move, 0, 16)
	m = l.acting(m, p)
	m = l.passing(m, p)
	m = l.ending(m)
	m = l.probing(m)
	m = l.asking(m)
	if l.left == nil || l.left.faults > 0 {
		m = l.breaking(m)
	}
	return m
}

// passing: time passes.
func (l *life) passing(m []move, p *Plan) []move {
	leap := func(d time.Duration, often int) {
		m = append(m, move{"+" + d.String(), often, help, func(l *life) { l.now = l.now.Add(d) }})
	}
	if p.Wake.IsZero() {
		for _, s := range l.choose(30, 11*60) { // after eleven minutes nobody counts restarts any more
			leap(time.Duration(s)*time.Second, 286)
		}
		return m
	}
	leap(p.Wake.Sub(l.now), 143)
	if l.left == nil {
		leap(time.Duration(l.choose(30)[0])*time.Second, 143)
	}
	return m
}

// ending: containers end by themselves.
func (l *life) ending(m []move) []move {
	for i := range l.seen.Containers {
		c := &l.seen.Containers[i]
		if c.State != Running {
			continue
		}
		for _, code := range l.choose(3, 0, 1) {
			done := code == 0 && l.initial(c.Name) // which is what it is there for
			if done || l.mayEnd() {
				m = append(m, move{fmt.Sprintf("%s exits with %d", c.ID, code), 100, event, func(l *life) {
					if !done {
						l.end()
					}
					l.ended(i, int32(code))
				}})
			}
		}
	}
	return m
}

// initial: an init container that is no sidecar.
func (l *life) initial(name string) bool {
	return slices.ContainsFunc(l.pod.Spec.InitContainers, func(c v1.Container) bool { return c.Name == name && !isSidecar(&c) })
}

// mayEnd: a container may end once more.
func (l *life) mayEnd() bool { return l.left == nil || l.left.ends > 0 }

// end counts one end more.
func (l *life) end() {
	if l.left != nil {
		left := *l.left
		left.ends--
		l.left = &left
	}
}

func (l *life) ended(i int, code int32) {
	l.seen.Containers = slices.Clone(l.seen.Containers)
	c := &l.seen.Containers[i]
	c.State, c.ExitCode, c.FinishedAt = Exited, code, l.now
}

// probing: probes find something out that was not so before. One that fails for
// good counts as an end of its container.
func (l *life) probing(m []move) []move {
	for i := range l.seen.Containers {
		c := &l.seen.Containers[i]
		if c.State != Running {
			continue
		}
		spec, is := find3(l.pod, c.Name), l.seen.Probes[c.ID]
		say := func(kind string, yes bool, deadly bool, set func(*Probes, *bool)) {
			if deadly && !l.mayEnd() {
				return
			}
			m = append(m, move{fmt.Sprintf("%s of %s: %v", kind, c.ID, yes), 70, event, func(l *life) {
				if deadly {
					l.end()
				}
				p := is
				set(&p, &yes)
				l.seen.Probes = maps.Clone(l.seen.Probes)
				if l.seen.Probes == nil {
					l.seen.Probes = map[string]Probes{}
				}
				l.seen.Probes[c.ID] = p
			}})
		}
		for _, yes := range []bool{true, false} {
			if spec.StartupProbe != nil && is.Started == nil {
				say("startup", yes, !yes, func(p *Probes, b *bool) { p.Started = b })
			}
			if spec.StartupProbe != nil && (is.Started == nil || !*is.Started) {
				continue // the others have to wait for it
			}
			if spec.ReadinessProbe != nil && (is.Ready == nil || *is.Ready != yes) {
				say("readiness", yes, false, func(p *Probes, b *bool) { p.Ready = b })
			}
			if spec.LivenessProbe != nil && (is.Live == nil || *is.Live && !yes) {
				say("liveness", yes, !yes, func(p *Probes, b *bool) { p.Live = b })
			}
		}
	}
	return m
}

// asking: somebody wants the pod to end.
func (l *life) asking(m []move) []move {
	remove := func(what string, often int, kind kindOfMove, grace int64) {
		m = append(m, move{fmt.Sprintf("%s, grace %ds", what, grace), often, kind, func(l *life) {
			at := metav1.NewTime(l.now)
			if kind == fault {
				l.spend()
			}
			l.pod = l.pod.DeepCopy()
			l.pod.DeletionTimestamp, l.pod.DeletionGracePeriodSeconds = &at, &grace
			l.pod.Generation++
		}})
	}
	switch {
	case l.pod.DeletionTimestamp == nil:
		for _, grace := range l.choose(40, 30) {
			remove("deleted", 18, event, int64(grace))
		}
	case *l.pod.DeletionGracePeriodSeconds > 0 && l.mayFail():
		remove("deleted in more of a hurry", 18, fault, 0)
	}
	return m
}

// breaking: something goes wrong around the pod.
func (l *life) breaking(m []move) []move {
	add := func(often int, what string, do func(l *life)) {
		m = append(m, move{what, often, fault, func(l *life) {
			l.spend()
			do(l)
		}})
	}
	if l.seen.Network == "" {
		add(18, "the network is down", func(l *life) { l.seen.Network = "down" })
	}
	if l.seen.Runtime == "" {
		add(18, "the runtime is down", func(l *life) { l.seen.Runtime = "down" })
	}
	if anyReady(&l.seen) {
		add(24, "the sandbox dies", (*life).stopSandbox)
	}
	add(71, "the node starts again", (*life).restartNode)
	if l.seen.Evict == nil && !l.seen.Gone {
		add(6, "evicted", func(l *life) { l.seen.Evict = &Eviction{Reason: "Evicted", Message: "the node needs room"} })
	}
	if !l.seen.Gone {
		add(9, "gone from the API", func(l *life) { l.seen.Gone = true })
	}
	return m
}

// spend: one thing more went wrong.
func (l *life) spend() {
	if l.left != nil {
		left := *l.left
		left.faults--
		l.left = &left
	}
}

// mayFail: one thing more may go wrong.
func (l *life) mayFail() bool { return l.left == nil || l.left.faults > 0 }

// restartNode: the node process ends and begins anew. What it kept in memory is lost.
func (l *life) restartNode() {
	if l.seen.Reported != nil {
		l.pod = l.pod.DeepCopy()
		l.pod.Status = *l.seen.Reported.DeepCopy()
	}
	l.seen = Observed{HostIPs: l.seen.HostIPs, Since: l.now, Sandboxes: l.seen.Sandboxes, Containers: l.seen.Containers, Gone: l.seen.Gone}
}
