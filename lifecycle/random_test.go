package lifecycle

import (
	"math/rand/v2"
	"testing"

	v1 "k8s.io/api/core/v1"
)

// randomPod is one with the unlikely in it.
func randomPod(r random) *v1.Pod {
	pod := r.pod()
	for _, list := range restartable(pod) {
		for i := range list {
			list[i].Image = chance(r, "a", "b")
			if r.IntN(3) == 0 {
				list[i].ReadinessProbe = &v1.Probe{}
			}
			if r.IntN(4) == 0 {
				list[i].StartupProbe = &v1.Probe{}
			}
			if r.IntN(4) == 0 {
				list[i].LivenessProbe = &v1.Probe{}
			}
		}
	}
	if r.IntN(6) == 0 {
		deadline := int64(1 + r.IntN(200))
		pod.Spec.ActiveDeadlineSeconds = &deadline
	}
	if r.IntN(3) == 0 { // some end of some container makes all run again
		for _, list := range restartable(pod) {
			for i := range list {
				for j := range list[i].RestartPolicyRules {
					list[i].RestartPolicyRules[j].Action = v1.ContainerRestartRuleActionRestartAllContainers
				}
			}
		}
	}
	return pod
}

// draw picks one of the moves, by how often each is to happen.
func draw(r random, moves []move) move {
	all := 0
	for _, m := range moves {
		all += m.often
	}
	at := r.IntN(all)
	for _, m := range moves {
		if at -= m.often; at < 0 {
			return m
		}
	}
	panic("unreachable")
}

// lead leads one life for a while.
func lead(t *testing.T, r random) {
	l := newLife(randomPod(r))
	l.T, l.choose = t, func(n int, _ ...int) []int { return []int{r.IntN(n)} }
	l.note("restartPolicy %s", l.pod.Spec.RestartPolicy)
	for range 100 {
		p := l.decide()
		if p.Done {
			return
		}
		m := draw(r, l.moves(&p))
		l.note("%s", m.what)
		m.do(l)
	}
}

// lives is how many are led in a test; `go test -fuzz FuzzDecide` leads more.
const lives = 1_000

func TestRandomLives(t *testing.T) {
	for seed := range uint64(lives) {
		lead(t, random{rand.New(rand.NewPCG(seed, 2))})
		if t.Failed() {
			t.Fatalf("at seed %d", seed)
		}
	}
}

// FuzzDecide lets the fuzzer draw the lots.
func FuzzDecide(f *testing.F) {
	f.Add(uint64(1), uint64(2))
	f.Fuzz(func(t *testing.T, a, b uint64) {
		lead(t, random{rand.New(rand.NewPCG(a, b))})
	})
}
