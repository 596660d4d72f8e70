package lifecycle

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// life is a pod on a make-believe node, on which anything may happen next: each
// draw of the lot is one step. It writes down what happened, so that a seed that
// breaks a property reads as a story.
type life struct {
	*testing.T
	lot  random
	pod  *v1.Pod
	seen Observed
	now  time.Time
	n    int
	log  []string
	idle int // decisions in a row that asked to be asked again at once
}

func newLife(t *testing.T, lot random) *life {
	l := &life{T: t, lot: lot, pod: lot.pod(), now: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)}
	l.pod.Status.Phase = v1.PodPending
	l.pod.UID = "u"
	for _, list := range [][]v1.Container{l.pod.Spec.InitContainers, l.pod.Spec.Containers} {
		for i := range list {
			list[i].Image = chance(lot, "a", "b")
			if lot.IntN(3) == 0 {
				list[i].ReadinessProbe = &v1.Probe{}
			}
			if lot.IntN(4) == 0 {
				list[i].StartupProbe = &v1.Probe{}
			}
		}
	}
	if lot.IntN(6) == 0 {
		deadline := int64(1 + lot.IntN(200))
		l.pod.Spec.ActiveDeadlineSeconds = &deadline
	}
	if lot.IntN(3) == 0 { // some end of some container makes all run again
		for _, list := range restartable(l.pod) {
			for i := range list {
				for j := range list[i].RestartPolicyRules {
					list[i].RestartPolicyRules[j].Action = v1.ContainerRestartRuleActionRestartAllContainers
				}
			}
		}
	}
	l.seen.HostIPs = []string{"192.0.2.1"}
	return l
}

func (l *life) note(format string, args ...any) {
	l.log = append(l.log, fmt.Sprintf(format, args...))
}

func (l *life) fail(format string, args ...any) {
	l.Helper()
	l.Fatalf("%s\nafter\n  %s", fmt.Sprintf(format, args...), strings.Join(l.log, "\n  "))
}

// step asks Decide, checks the answer, and lets one thing happen. false: the pod's life is over.
func (l *life) step() bool {
	before := l.seen
	p := Decide(l.pod, l.seen, l.now)
	if again := Decide(l.pod, l.seen, l.now); !reflect.DeepEqual(p, again) {
		l.fail("not the same answer twice")
	}
	if !reflect.DeepEqual(before, l.seen) {
		l.fail("Decide changed what it was given")
	}
	l.check(&p)
	if p.Done {
		return false
	}
	if p.Report {
		l.seen.Reported = &p.Status
		if len(l.seen.Pass) == 0 {
			fresh := map[string]*Failure{}
			for name, f := range l.seen.Failures {
				c := *f
				c.Reported = true
				fresh[name] = &c
			}
			l.seen.Failures = fresh
		}
	}
	if len(p.Actions) > 0 && len(l.seen.Pass) == 0 {
		l.seen.Pass = p.Actions
		l.note("plan: %v", verbs(p.Actions))
		return true
	}
	if !p.Wake.IsZero() && !p.Wake.After(l.now) {
		if l.idle++; l.idle > 10 {
			l.fail("asked to be asked again at once, again and again: %s", p.Cause)
		}
		return true
	}
	l.idle = 0
	l.happen(&p)
	return true
}

// check holds the plan to the properties of a lifecycle.
func (l *life) check(p *Plan) {
	s, old := &p.Status, l.seen.Reported
	if old != nil && terminal(old.Phase) && s.Phase != old.Phase {
		l.fail("a pod that was %s is %s", old.Phase, s.Phase)
	}
	if old != nil {
		for _, was := range slices.Concat(old.InitContainerStatuses, old.ContainerStatuses) {
			is := find(slices.Concat(s.InitContainerStatuses, s.ContainerStatuses), was.Name)
			if is == nil || is.RestartCount < was.RestartCount {
				l.fail("container %s had %d restarts and has fewer: %v", was.Name, was.RestartCount, is)
			}
		}
	}
	if c := Condition(s, v1.PodReady); c != nil && c.Status == v1.ConditionTrue {
		for _, c := range s.ContainerStatuses {
			if !c.Ready {
				l.fail("Ready although container %s is not", c.Name)
			}
		}
		for _, g := range l.pod.Spec.ReadinessGates {
			if g := Condition(&l.pod.Status, g.ConditionType); g == nil || g.Status != v1.ConditionTrue {
				l.fail("Ready although a gate is not")
			}
		}
	}
	for _, list := range [][]v1.ContainerStatus{s.ContainerStatuses, s.InitContainerStatuses} {
		for _, c := range list {
			n := 0
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
	waits := len(p.Actions) > 0 || !p.Wake.IsZero() || len(l.seen.Pass) > 0 || l.seen.Network != "" || l.seen.Runtime != "" || l.seen.anyRunning() || p.Done || p.Cause != "" ||
		l.seen.Cleaned && l.pod.DeletionTimestamp == nil || l.seen.Rejected != nil
	if !waits {
		l.fail("stuck in silence: phase %s, %v", s.Phase, lines(s))
	}
}

// happen lets one thing happen, whatever it is.
func (l *life) happen(p *Plan) {
	if len(l.seen.Pass) > 0 {
		if p.Interrupt && l.lot.IntN(2) == 0 {
			l.seen.Pass = nil
			l.note("the pass is given up")
			return
		}
		if l.lot.IntN(4) > 0 {
			l.act()
			return
		}
	}
	switch l.lot.IntN(14) {
	case 0:
		if l.pod.DeletionTimestamp == nil && l.lot.IntN(4) == 0 {
			at, grace := metav1.NewTime(l.now), int64(l.lot.IntN(40))
			l.pod = l.pod.DeepCopy()
			l.pod.DeletionTimestamp, l.pod.DeletionGracePeriodSeconds = &at, &grace
			l.pod.Generation++
			l.note("deleted, grace %ds", grace)
		}
	case 1:
		if l.lot.IntN(8) == 0 {
			l.seen.Gone = true
			l.note("gone from the API")
		}
	case 2:
		l.seen.Network, l.seen.Runtime = chance(l.lot, "", "", "down"), chance(l.lot, "", "", "down")
		l.note("network %q, runtime %q", l.seen.Network, l.seen.Runtime)
	case 3:
		if len(l.seen.Sandboxes) > 0 && l.lot.IntN(3) == 0 {
			l.stopSandbox()
			l.note("the sandbox died")
		}
	case 4:
		l.restartNode()
	case 5:
		if l.lot.IntN(12) == 0 {
			l.seen.Evict = &Eviction{Reason: "Evicted", Message: "the node needs room"}
			l.note("evicted")
		}
	case 6, 7:
		l.probe()
	case 8, 9, 10:
		l.exit()
	default:
		pass := time.Duration(l.lot.IntN(30)) * time.Second
		if !p.Wake.IsZero() && l.lot.IntN(2) == 0 {
			pass = p.Wake.Sub(l.now)
		}
		l.now = l.now.Add(pass)
		l.note("+%s", pass)
	}
}

// restartNode: the node process ends and begins anew. What it kept in memory is lost.
func (l *life) restartNode() {
	if l.seen.Reported != nil {
		l.pod = l.pod.DeepCopy()
		l.pod.Status = *l.seen.Reported.DeepCopy()
	}
	l.seen = Observed{HostIPs: l.seen.HostIPs, Sandboxes: l.seen.Sandboxes, Containers: l.seen.Containers, Gone: l.seen.Gone}
	l.note("the node starts again")
}

func (l *life) exit() {
	for i := range l.seen.Containers {
		if c := &l.seen.Containers[i]; c.State == Running && l.lot.IntN(2) == 0 {
			l.ended(i, int32(l.lot.IntN(3)))
			return
		}
	}
}

func (l *life) ended(i int, code int32) {
	l.seen.Containers = slices.Clone(l.seen.Containers)
	c := &l.seen.Containers[i]
	c.State, c.ExitCode, c.FinishedAt = Exited, code, l.now
	l.note("container %s exits with %d", c.ID, code)
}

func (l *life) probe() {
	for _, c := range l.seen.Containers {
		if c.State == Running && l.lot.IntN(2) == 0 {
			p := l.seen.Probes[c.ID]
			yes := l.lot.IntN(3) > 0
			switch l.lot.IntN(3) {
			case 0:
				p.Started = &yes
			case 1:
				p.Ready = &yes
			case 2:
				p.Live = &yes
			}
			l.seen.Probes = maps.Clone(l.seen.Probes)
			if l.seen.Probes == nil {
				l.seen.Probes = map[string]Probes{}
			}
			l.seen.Probes[c.ID] = p
			l.note("probes of %s", c.ID)
			return
		}
	}
}

func verbs(actions []Action) []string {
	var out []string
	for _, a := range actions {
		out = append(out, strings.TrimSpace(fmt.Sprint(a.Verb, " ", a.Container)))
	}
	return out
}

// lives is how many are led in a test; `go test -fuzz FuzzDecide` leads more.
const lives = 1_000

func TestRandomLives(t *testing.T) {
	for seed := range uint64(lives) {
		l := newLife(t, random{rand.New(rand.NewPCG(seed, 2))})
		l.note("seed %d, restartPolicy %s", seed, l.pod.Spec.RestartPolicy)
		for range 150 {
			if !l.step() {
				break
			}
		}
	}
}

// FuzzDecide lets the fuzzer draw the lots.
func FuzzDecide(f *testing.F) {
	f.Add(uint64(1), uint64(2))
	f.Fuzz(func(t *testing.T, a, b uint64) {
		l := newLife(t, random{rand.New(rand.NewPCG(a, b))})
		for range 150 {
			if !l.step() {
				break
			}
		}
	})
}
