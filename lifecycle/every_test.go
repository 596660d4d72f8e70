package lifecycle

import (
	"fmt"
	"slices"
)

// search goes through every state that a pod can come into, breadth first: from
// each state every move is made, and what comes of it is a state that was met
// before or a new one. Of the lives that come into one state the first goes on.
//
// Then it goes backwards: from each state there has to be a way to the pod's end,
// and, by nothing but the node's getting on with it, to a state in which nothing
// is left to be done. So no state is stuck.
type search struct {
	pod   small
	bound bound

	states map[key]int32
	from   []step // by which each state was come into first
	moves  []edge
	over   []int32 // the states in which nothing is left of the pod
	calm   []int32 // those in which nothing is to be done
	counts [3]int  // states, moves, states at rest
	told   string  // what is wrong, and how it came to that
}

// step is a move out of a state: the nth of those that are possible.
type step struct {
	state int32
	nth   int16
}

type edge struct {
	from, to int32
	kind     kindOfMove
}

// node is a state whose moves are still to be made, with the life that is in it.
type node struct {
	state int32
	life  life
	plan  Plan
}

// few are the values that the search tries.
func few(_ int, values ...int) []int { return values }

func (s *search) birth() life {
	l := newLife(s.pod.pod())
	left := s.bound
	l.choose, l.mute, l.left = few, true, &left
	return *l
}

// run makes all moves, and says whether all was well.
func (s *search) run() bool {
	s.states = map[key]int32{}
	var k keyer
	var todo []node
	// met takes a life in that was come into by that step.
	met := func(l life, by step, kind kindOfMove) (ok bool) {
		ok = true
		defer func() {
			if what := recover(); what != nil {
				s.told, ok = s.story(by), false
				if s.told == "" {
					panic(what)
				}
			}
		}()
		l.trusting = len(s.moves)%8 != 0
		p := l.decide()
		at := k.keyOf(&l, p.Done)
		id, known := s.states[at]
		if !known {
			id = int32(len(s.from))
			s.states[at] = id
			s.from = append(s.from, by)
			switch {
			case p.Done:
				s.over, s.calm = append(s.over, id), append(s.calm, id)
			default:
				if l.calm(&p) {
					l.checkCalm(&p)
					s.calm = append(s.calm, id)
				}
				todo = append(todo, node{id, l, p})
			}
		}
		if by.state >= 0 {
			s.moves = append(s.moves, edge{by.state, id, kind})
		}
		return true
	}
	if !met(s.birth(), step{-1, 0}, event) {
		return false
	}
	for len(todo) > 0 {
		n := todo[0]
		todo[0] = node{}
		todo = todo[1:]
		for i, m := range n.life.moves(&n.plan) {
			l := n.life
			if !s.try(&l, m, step{n.state, int16(i)}) || !met(l, step{n.state, int16(i)}, m.kind) {
				return false
			}
		}
	}
	return s.leadsTo("its end", s.over, func(kindOfMove) bool { return true }) &&
		s.leadsTo("rest", s.calm, func(k kindOfMove) bool { return k == help })
}

// try makes the move.
func (s *search) try(l *life, m move, by step) (ok bool) {
	defer func() {
		if what := recover(); what != nil {
			if s.told = s.story(by); s.told == "" {
				panic(what)
			}
		}
	}()
	m.do(l)
	return true
}

// leadsTo checks that from every state moves of these kinds lead to one of those.
func (s *search) leadsTo(what string, those []int32, kinds func(kindOfMove) bool) bool {
	back := make([][]int32, len(s.from))
	for _, e := range s.moves {
		if kinds(e.kind) {
			back[e.to] = append(back[e.to], e.from)
		}
	}
	reached := make([]bool, len(s.from))
	todo := slices.Clone(those)
	for len(todo) > 0 {
		n := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if reached[n] {
			continue
		}
		reached[n] = true
		todo = append(todo, back[n]...)
	}
	stuck := slices.Index(reached, false)
	if stuck < 0 {
		return true
	}
	s.told = fmt.Sprintf("no way leads to %s after\n%s", what, s.story(s.from[stuck]))
	return false
}

// story leads the life again that took that step, and writes down how it went.
func (s *search) story(last step) (told string) {
	var way []step
	for at := last; at.state >= 0; at = s.from[at.state] {
		way = append(way, at)
	}
	slices.Reverse(way)
	l := s.birth()
	l.mute = false
	defer func() {
		if what := recover(); what != nil {
			told = fmt.Sprint(what, "\nafter\n")
		}
		for _, line := range l.log {
			told += "  " + line + "\n"
		}
	}()
	for _, st := range way {
		p := l.decide()
		m := l.moves(&p)[st.nth]
		l.note("%s", m.what)
		m.do(&l)
	}
	p := l.decide()
	l.note("then: %v, wake %v (%s), report %v", lines(&p.Status), p.Wake, p.Cause, p.Report)
	if l.calm(&p) {
		l.checkCalm(&p)
	}
	return ""
}

// calm: nothing is to be done for the pod, now or later, unless something happens.
func (l *life) calm(p *Plan) bool {
	return len(l.seen.Pass) == 0 && p.Wake.IsZero() && l.seen.Network == "" && l.seen.Runtime == ""
}

// checkCalm: if nothing is to be done, then for a reason that a person would accept.
func (l *life) checkCalm(p *Plan) {
	if l.pod.DeletionTimestamp != nil || l.seen.Gone {
		l.fail("nothing is to be done for a pod that was deleted")
	}
	switch s := &p.Status; {
	case Terminal(s.Phase):
		if l.seen.anyRunning() {
			l.fail("the pod is %s and a container runs", s.Phase)
		}
		return
	case p.Cause != "": // it says why
		return
	}
	for i := range l.pod.Spec.InitContainers {
		c := &l.pod.Spec.InitContainers[i]
		n := l.seen.newest(c.Name)
		up := n != nil && n.State == Running
		if up && (!isSidecar(c) || c.StartupProbe != nil && l.seen.Probes[n.ID].Started == nil) {
			return // it is waited for
		}
		if isSidecar(c) && !up {
			l.fail("sidecar %s does not run and nothing is to be done", c.Name)
		}
	}
	for i := range l.pod.Spec.Containers {
		c := &l.pod.Spec.Containers[i]
		n := l.seen.newest(c.Name)
		if n == nil || n.State != Running && shouldStart(l.pod, c, n) {
			l.fail("container %s is to run and nothing is to be done", c.Name)
		}
	}
}

// String counts.
func (s *search) String() string {
	return fmt.Sprintf("faults %d ends %d: %7d states %7d moves %6d at rest", s.bound.faults, s.bound.ends, s.counts[0], s.counts[1], s.counts[2])
}

// forget keeps nothing but the counts.
func (s *search) forget() {
	s.counts = [3]int{len(s.from), len(s.moves), len(s.calm)}
	s.states, s.from, s.moves, s.over, s.calm = nil, nil, nil, nil, nil
}
