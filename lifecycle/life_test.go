package lifecycle

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
)

// life is a pod on a make-believe node, on which anything may happen next: moves
// lists it. Random lives draw one move after the other (random_test.go); the
// search makes them all, in every order (every_test.go). What a life knows is
// never changed in place, so that a copy of the struct is another life.
//
// It writes down what happened, so that what breaks a property reads as a story.
type life struct {
	*testing.T // nil: a broken property panics
	choose     func(n int, few ...int) []int

	pod  *v1.Pod
	seen Observed
	now  time.Time
	n    int // containers and sandboxes made so far
	log  []string
	mute bool // nothing is written down

	trusting bool // that the same question has the same answer is not checked

	ran  [maxContainers]int8 // how often each container came up, in the order of spread
	left *bound              // what may still go wrong; nil: anything
}

// maxContainers is how many a pod of these tests has at most.
const maxContainers = 8

func newLife(pod *v1.Pod) *life {
	l := &life{pod: pod, now: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)}
	l.pod.UID, l.pod.Status.Phase = "u", v1.PodPending
	l.seen.HostIPs = []string{"192.0.2.1"}
	return l
}

// spread is the place of a container among all of the pod's.
func (l *life) spread(name string) int {
	i := 0
	for _, list := range restartable(l.pod) {
		for j := range list {
			if list[j].Name == name {
				return i
			}
			i++
		}
	}
	panic("no container " + name)
}

func (l *life) note(format string, args ...any) {
	if !l.mute {
		l.log = append(l.log, fmt.Sprintf(format, args...))
	}
}

// broken is the panic of a property that does not hold.
type broken string

func (l *life) fail(format string, args ...any) {
	what := fmt.Sprintf(format, args...)
	if l.T == nil {
		panic(broken(what))
	}
	l.Helper()
	l.Fatalf("%s\nafter\n  %s", what, strings.Join(l.log, "\n  "))
}

// again asks once more: the answer is the same, and of what Decide was given nothing has changed.
func (l *life) again(p *Plan) {
	seen, pod := l.seen, l.pod.DeepCopy()
	var k keyer
	before := k.keyOf(l, false)
	if again := Decide(l.pod, l.seen, l.now); !reflect.DeepEqual(*p, again) {
		l.fail("not the same answer twice")
	}
	if !reflect.DeepEqual(seen, l.seen) || !reflect.DeepEqual(pod, l.pod) || before != k.keyOf(l, false) {
		l.fail("Decide changed what it was given")
	}
}

// decide asks Decide, checks the answer, reports and begins what it says, until
// nothing more is to be said or begun at once.
func (l *life) decide() Plan {
	for range 10 {
		p := Decide(l.pod, l.seen, l.now)
		if !l.trusting {
			l.again(&p)
		}
		l.check(&p)
		if p.Report {
			l.report(&p)
		}
		switch {
		case p.Done:
			return p
		case len(p.Actions) > 0 && len(l.seen.Pass) == 0:
			l.seen.Pass = p.Actions
			l.note("plan: %s", strings.Join(verbs(p.Actions), ", "))
		case p.Wake.IsZero() || p.Wake.After(l.now):
			return p
		}
	}
	l.fail("asked to be asked again at once, again and again")
	return Plan{}
}

func (l *life) report(p *Plan) {
	if !l.mute && (l.seen.Reported == nil || l.seen.Reported.Phase != p.Status.Phase) {
		l.note("reported: %s %s", p.Status.Phase, p.Status.Reason)
	}
	l.seen.Reported = &p.Status
	if len(l.seen.Pass) > 0 || len(l.seen.Failures) == 0 {
		return
	}
	fresh := make(map[string]*Failure, len(l.seen.Failures))
	for name, f := range l.seen.Failures {
		c := *f
		c.Reported = true
		fresh[name] = &c
	}
	l.seen.Failures = fresh
}

// check holds the plan to the properties of a lifecycle.
func (l *life) check(p *Plan) {
	s, old := &p.Status, l.seen.Reported
	if old == nil {
		old = &l.pod.Status // what the node before this one reported
	}
	if Terminal(old.Phase) && s.Phase != old.Phase {
		l.fail("a pod that was %s is %s", old.Phase, s.Phase)
	}
	for _, lists := range [][2][]v1.ContainerStatus{{old.InitContainerStatuses, s.InitContainerStatuses}, {old.ContainerStatuses, s.ContainerStatuses}} {
		for i := range lists[0] {
			was := &lists[0][i]
			if is := find(lists[1], was.Name); is == nil || is.RestartCount < was.RestartCount {
				l.fail("container %s had %d restarts and has fewer: %v", was.Name, was.RestartCount, is)
			}
		}
		for i := range lists[1] {
			c, n := &lists[1][i], 0
			for _, set := range []bool{c.State.Running != nil, c.State.Waiting != nil, c.State.Terminated != nil} {
				if set {
					n++
				}
			}
			if n != 1 {
				l.fail("container %s is in %d states at once", c.Name, n)
			}
		}
	}
	if was(s, v1.PodReady) {
		for i := range s.ContainerStatuses {
			if c := &s.ContainerStatuses[i]; !c.Ready {
				l.fail("Ready although container %s is not", c.Name)
			}
		}
		for _, g := range l.pod.Spec.ReadinessGates {
			if !was(&l.pod.Status, g.ConditionType) {
				l.fail("Ready although a gate is not")
			}
		}
	}
	waits := len(p.Actions) > 0 || !p.Wake.IsZero() || len(l.seen.Pass) > 0 || l.seen.Network != "" || l.seen.Runtime != "" || l.seen.anyRunning() || p.Done || p.Cause != "" ||
		l.seen.Cleaned && l.pod.DeletionTimestamp == nil || l.seen.Rejected != nil
	if !waits {
		l.fail("stuck in silence: phase %s, %v", s.Phase, lines(s))
	}
}

// checkStart holds the start of a container to what must be so by then.
func (l *life) checkStart(c *v1.Container, a Action) {
	if len(l.seen.Sandboxes) == 0 {
		l.fail("container %s is to start without a sandbox", c.Name)
	}
	if n := l.seen.newest(c.Name); n != nil && n.State == Running {
		l.fail("container %s is to start although it runs", c.Name)
	} else if n != nil && n.State == Created && a.Restarts != n.RestartCount {
		l.fail("container %s is to start with restart count %d, and had %d when it was made and not started", c.Name, a.Restarts, n.RestartCount)
	} else if n != nil && n.State != Created && a.Restarts <= n.RestartCount {
		l.fail("container %s is to start with restart count %d, and had %d before", c.Name, a.Restarts, n.RestartCount)
	}
	if l.once(c) && l.ran[l.spread(c.Name)] > 0 {
		l.fail("container %s ran, is to run once only, and is to start", c.Name)
	}
	if i := slices.IndexFunc(l.pod.Spec.Containers, func(r v1.Container) bool { return r.Name == c.Name }); i < 0 {
		return
	}
	for i := range l.pod.Spec.InitContainers {
		first := &l.pod.Spec.InitContainers[i]
		if !l.initDone(first) {
			l.fail("container %s is to start before %s has done its part", c.Name, first.Name)
		}
	}
}

// once: the container may not run a second time.
func (l *life) once(c *v1.Container) bool {
	return l.pod.Spec.RestartPolicy == v1.RestartPolicyNever && c.RestartPolicy == nil && !couldRestartAll(l.pod)
}

// initDone: the init container has done its part for the sandbox that is up, or
// regular containers run there already.
func (l *life) initDone(c *v1.Container) bool {
	box := l.seen.Sandboxes[0].ID
	for _, r := range l.seen.Containers {
		switch {
		case r.SandboxID != box:
		case !slices.ContainsFunc(l.pod.Spec.InitContainers, func(i v1.Container) bool { return i.Name == r.Name }):
			return true
		case r.Name == c.Name && (isSidecar(c) || r.State == Exited && r.ExitCode == 0):
			return true
		}
	}
	return false
}

func verbs(actions []Action) []string {
	var out []string
	for _, a := range actions {
		out = append(out, strings.TrimSpace(fmt.Sprint(a.Verb, " ", a.Container)))
	}
	return out
}
