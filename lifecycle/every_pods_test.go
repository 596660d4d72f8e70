package lifecycle

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	locks "sync"
	"testing"

	"github.com/cockroachdb/datadriven"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// small is one of the pods whose every life is gone through.
type small struct {
	policy     v1.RestartPolicy
	init       string // none, init or sidecar
	containers int
	probes     string // none, startup, readiness or liveness: of the regular containers and of the sidecar
}

// smalls are all of them, but those of other restart policies.
func smalls(policy v1.RestartPolicy) []small {
	var out []small
	for _, init := range []string{"none", "init", "sidecar"} {
		for _, containers := range []int{1, 2} {
			for _, probes := range []string{"none", "startup", "readiness", "liveness"} {
				out = append(out, small{policy, init, containers, probes})
			}
		}
	}
	return out
}

func (s small) String() string {
	return fmt.Sprintf("%-8s containers %d  probes %-10s", s.init, s.containers, s.probes)
}

func (s small) pod() *v1.Pod {
	pod := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p", Namespace: "ns", Generation: 1}, Spec: v1.PodSpec{RestartPolicy: s.policy}}
	probed := func(name, image string) v1.Container {
		c, probe := v1.Container{Name: name, Image: image}, &v1.Probe{}
		switch s.probes {
		case "startup":
			c.StartupProbe = probe
		case "readiness":
			c.ReadinessProbe = probe
		case "liveness":
			c.LivenessProbe = probe
		}
		return c
	}
	switch s.init {
	case "init":
		pod.Spec.InitContainers = []v1.Container{{Name: "i", Image: "i"}}
	case "sidecar":
		always, c := v1.ContainerRestartPolicyAlways, probed("i", "i")
		c.RestartPolicy = &always
		pod.Spec.InitContainers = []v1.Container{c}
	}
	for i := range s.containers {
		pod.Spec.Containers = append(pod.Spec.Containers, probed(fmt.Sprint("c", i), "c"))
	}
	return pod
}

// bound is how many things go wrong in one of the pod's lives, and how often its
// containers end: fewer for those of which there are more states than a test has
// time for. EVERY=faults,ends is one bound for all: with EVERY=1,1 it takes ten
// minutes, with EVERY=2,3 more memory than most machines have. EVERY_ONLY=Always,
// or any other part of a row, picks pods.
func (s small) bound() bound {
	if every := os.Getenv("EVERY"); every != "" {
		var faults, ends int8
		if n, err := fmt.Sscanf(every, "%d,%d", &faults, &ends); n != 2 || err != nil {
			panic("EVERY=" + every + ": two numbers are wanted, of faults and of ends")
		}
		return bound{faults, ends}
	}
	long := s.containers // how many go on for as long as the pod does
	if s.init == "sidecar" {
		long++
	}
	switch {
	case long == 1:
		return bound{1, 2}
	case long == 2 && (s.probes == "none" || s.init == "none"):
		return bound{1, 1}
	case long == 2:
		return bound{0, 2}
	}
	return bound{0, 1}
}

// TestEveryOrder goes through every order of events of small pods, and compares how
// many states there are with testdata/every.txt, so that a change of the core
// shows as a change of their number. go test -rewrite writes it anew.
func TestEveryOrder(t *testing.T) {
	policies := []v1.RestartPolicy{v1.RestartPolicyAlways, v1.RestartPolicyOnFailure, v1.RestartPolicyNever}
	only := os.Getenv("EVERY_ONLY")
	rows := map[string]*search{}
	todo := make(chan *search)
	var mu locks.Mutex
	var workers locks.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for s := range todo {
				if !s.run() {
					t.Errorf("%s %s", s.pod.policy, s.pod)
					t.Error(s.told)
				}
				mu.Lock()
				s.forget()
				t.Log(s.pod.policy, s.pod, s)
				mu.Unlock()
			}
		})
	}
	for _, policy := range policies {
		for _, pod := range smalls(policy) {
			if only != "" && !strings.Contains(fmt.Sprint(policy, " ", pod), only) {
				continue
			}
			s := &search{pod: pod, bound: pod.bound()}
			rows[fmt.Sprint(policy, pod)] = s
			todo <- s
		}
	}
	close(todo)
	workers.Wait()
	if t.Failed() || only != "" || os.Getenv("EVERY") != "" {
		return
	}
	datadriven.RunTest(t, filepath.Join("testdata", "every.txt"), func(t *testing.T, d *datadriven.TestData) string {
		var out strings.Builder
		for _, pod := range smalls(v1.RestartPolicy(d.Cmd)) {
			fmt.Fprintf(&out, "%s %s\n", pod, rows[fmt.Sprint(v1.RestartPolicy(d.Cmd), pod)])
		}
		return out.String()
	})
}
