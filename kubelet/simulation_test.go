package kubelet

import (
	"context"
	"flag"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/klog/v2"

	"github.com/podling/podling/kubelet/environment"
	"github.com/podling/podling/kubelet/node"
	"github.com/podling/podling/lifecycle"
	"github.com/podling/podling/runtime/fault"
)

// One seed with its whole log:   go test ./kubelet -run TestSimulation -v -seed 599
// As many as an hour has time for: go test ./kubelet -run TestSimulation -timeout 0 -from 1000 -for 1h
var (
	theSeed = flag.Int64("seed", -1, "play this one simulation alone; with -v its whole log is shown")
	seeds   = flag.Uint64("seeds", 300, "how many simulations are played")
	from    = flag.Uint64("from", 0, "the seed of the first")
	forTime = flag.Duration("for", 0, "play simulations for that long, however many")
	replays = flag.Uint64("replays", 40, "how many simulations are played twice")
)

// once are seeds that found something, when they did: which schedule a seed is
// changes with the simulation itself.
var once = []uint64{
	100,  // two containers made in one moment of virtual time: the older one was taken for the newer
	599,  // a container that the runtime was still starting when the node crashed was made anew beside it
	1211, // that one was removed without another look, and had come up meanwhile
}

// TestSimulation plays nodes whose every step is the seed's choice.
func TestSimulation(t *testing.T) {
	klog.SetLogger(logr.Discard())
	if *theSeed >= 0 {
		for _, line := range play(t, uint64(*theSeed)) {
			t.Log(line)
		}
		return
	}
	steps, played, began := 0, uint64(0), time.Now()
	for _, seed := range once {
		steps += len(play(t, seed))
	}
	for ; *forTime > 0 && time.Since(began) < *forTime || *forTime == 0 && played < *seeds; played++ {
		steps += len(play(t, *from+played))
	}
	t.Logf("%d simulations, %d lines of log", played, steps)
}

// TestReplay plays some simulations twice: the same seed is the same log.
func TestReplay(t *testing.T) {
	klog.SetLogger(logr.Discard())
	for seed := range *replays {
		one, two := play(t, seed), play(t, seed)
		for i := range max(len(one), len(two)) {
			if i >= len(one) || i >= len(two) || one[i] != two[i] {
				at := max(0, i-30)
				t.Fatalf("seed %d: the second time line %d is another.\nfirst:\n%s\nsecond:\n%s", seed, i,
					strings.Join(one[at:min(len(one), i+5)], "\n"), strings.Join(two[at:min(len(two), i+5)], "\n"))
			}
		}
	}
}

// play plays one simulation from beginning to end and gives its log.
func play(t *testing.T, seed uint64) []string {
	dir := t.TempDir()
	if err := prepare(dir); err != nil {
		t.Fatal(err)
	}
	s := newStage(seed)
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		others := fake.NewClientset()
		env, err := environment.New(ctx, others, func() *v1.Node { return nil })
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second) // of the bubble: until it knows of all services, which are none
		w := newWorld(s, dir, others, env)
		w.direct()
		s.step("the end")
		w.crash(w.node)
		for t := w.next(); t != nil; t = w.next() {
			w.pass(t)
		}
		cancel()
		synctest.Wait()
	})
	if s.problem != "" {
		t.Fatalf("seed %d: %s\nafter\n%s", seed, s.problem, strings.Join(s.log[max(0, len(s.log)-300):], "\n"))
	}
	return s.log
}

// direct is the director: disturbances for a while, then an end to everything.
func (w *world) direct() {
	w.boot(w.someFaults())
	synctest.Wait()
	pods := 1 + w.IntN(3)
	for n := 100 + w.IntN(600); n > 0 && w.holds(); n-- {
		if w.IntN(12) == 0 {
			w.disturb(pods)
			synctest.Wait()
			continue
		}
		w.goOn(true)
	}
	w.step("from here on all goes well")
	w.node.faults.Clear()
	w.api.down = false
	w.node.desk.runtime(node.State{})
	for _, name := range sorted(w.api.pods) {
		w.remove(name, int64(w.IntN(3)))
	}
	synctest.Wait()
	looks := 0
	for n := 0; w.holds(); n++ {
		switch {
		case n > 20_000:
			w.wrong("it does not come to an end")
		case w.goOn(false):
		case len(w.api.pods)+len(w.sandboxes()) == 0:
			return
		case w.node.looking || looks > 20:
			w.checkEnd()
			return
		default:
			looks++
			w.step("the node compares with the runtime")
			w.node.look()
			synctest.Wait()
		}
	}
}

// holds: all properties do, so far.
func (w *world) holds() bool {
	w.checkRuntime()
	w.checkTaken()
	return w.problem == ""
}

// goOn lets one party go on, or time pass; false if there is nothing to wait for.
func (w *world) goOn(bad bool) bool {
	parties, t := w.parties(), w.next()
	hear := len(w.api.news) > 0
	switch {
	case hear && (w.IntN(4) == 0 || len(parties) == 0):
		w.step(fmt.Sprintf("the node hears of %s", w.api.news[0].pod.Name))
		w.hear()
		synctest.Wait()
	case len(parties) > 0 && (t == nil || w.IntN(8) > 0):
		p := parties[w.IntN(len(parties))]
		var err error
		if bad && strings.Contains(p.what, " ExecSync ") && w.IntN(4) == 0 {
			err = errProbeFails
		}
		if bad && strings.HasSuffix(p.what, " answers") && w.IntN(12) == 0 {
			err = errUnreachable // it was served, and nobody hears of it
		}
		line := p.what
		if err != nil {
			line += " (" + err.Error() + ")"
		}
		w.step(line)
		w.release(p, err)
	case w.refused && (len(parties) == 0 || w.IntN(8) == 0):
		w.step("what the API refused is tried again")
		w.refused = false
		time.Sleep(10 * time.Second) // of the bubble, which is the API writes' own time
		synctest.Wait()
	case t != nil:
		w.step("time passes")
		w.pass(t)
	default:
		return false
	}
	return true
}

// disturb does one of the things that a node does not choose.
func (w *world) disturb(pods int) {
	names := sorted(w.api.pods)
	one := ""
	if len(names) > 0 {
		one = names[w.IntN(len(names))]
	}
	switch n := w.IntN(16); {
	case n < 4 || one == "":
		if len(w.all) < pods {
			pod := w.somePod(fmt.Sprint("p", len(w.all)))
			w.step("created: " + pod.Name)
			w.create(pod)
		}
	case n < 6:
		grace := int64(w.IntN(20))
		w.step(fmt.Sprintf("deleted: %s, grace %ds", one, grace))
		w.remove(one, grace)
	case n == 6:
		w.step("gone at once: " + one)
		w.api.change(w.api.pods[one].DeepCopy(), true)
	case n < 9:
		w.step("the node crashes, and starts again")
		old := w.node
		w.crash(old)
		w.boot(w.someFaults())
	case n < 11:
		w.api.down = !w.api.down
		w.step(fmt.Sprintf("the API server is away: %v", w.api.down))
	case n == 11:
		state := node.State{}
		if w.IntN(2) == 0 {
			state.RuntimeError = "down"
		}
		if w.IntN(2) == 0 {
			state.NetworkError = "down"
		}
		w.step(fmt.Sprintf("runtime %q, network %q", state.RuntimeError, state.NetworkError))
		w.node.desk.runtime(state)
	case n == 12:
		w.step("evicted: " + one)
		w.node.desk.evict(w.api.pods[one], lifecycle.Eviction{Reason: "Evicted", Message: "the node needs room"})
	case n == 13:
		boxes := w.sandboxes()
		if len(boxes) > 0 {
			box := boxes[w.IntN(len(boxes))]
			w.step("dies: " + w.name(box.Id))
			_ = w.runtime.StopPodSandbox(context.Background(), box.Id)
		}
	case n == 14:
		pod := w.api.pods[one].DeepCopy()
		pod.Labels = map[string]string{"v": fmt.Sprint(w.IntN(100))}
		w.step("labelled: " + one)
		w.api.change(pod, false)
	default:
		if !w.node.looking {
			w.step("the node compares with the runtime")
			w.node.look()
		}
	}
}

// someFaults are rules that strike some calls.
func (w *world) someFaults() []fault.Rule {
	var out []fault.Rule
	calls := []fault.Call{fault.RunPodSandbox, fault.StopPodSandbox, fault.RemovePodSandbox, fault.PodSandboxStatus, fault.ListPodSandbox,
		fault.CreateContainer, fault.StartContainer, fault.StopContainer, fault.RemoveContainer, fault.ContainerStatus, fault.ListContainers,
		fault.ImageStatus, fault.PullImage, fault.PreCreateContainer, fault.PreStartContainer, fault.EnsurePodCgroup}
	for range w.IntN(5) {
		r := fault.Rule{Call: calls[w.IntN(len(calls))], Seed: w.Uint64()}
		p := 0.1 + w.Float64()/2
		r.Probability = &p
		switch w.IntN(4) {
		case 0:
			r.Delay = metav1.Duration{Duration: time.Duration(1 + w.Int64N(int64(20*time.Second)))}
		case 1:
			r.Hang, r.Count = true, 1
		default:
			r.Error, r.Count = "no luck", w.IntN(5)
			if w.IntN(3) == 0 {
				r.Code = "Unavailable"
			}
		}
		out = append(out, r)
	}
	return out
}

// somePod is one whose containers do anything.
func (w *world) somePod(name string) *v1.Pod {
	pod := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name}}
	pod.Spec.RestartPolicy = []v1.RestartPolicy{v1.RestartPolicyAlways, v1.RestartPolicyOnFailure, v1.RestartPolicyNever}[w.IntN(3)]
	grace := int64(1 + w.IntN(30))
	pod.Spec.TerminationGracePeriodSeconds = &grace
	script := "containers:\n"
	container := func(kind string, i int) v1.Container {
		c := v1.Container{Name: fmt.Sprint(name, kind, i), ImagePullPolicy: v1.PullIfNotPresent}
		c.Image = "registry.example/" + c.Name + ":1"
		after := time.Duration(w.Int64N(int64(90*time.Second))) + time.Millisecond
		script += fmt.Sprintf("  %s:\n", c.Name)
		if w.IntN(5) == 0 {
			script += "    stop: {ignore: true}\n"
		} else {
			script += fmt.Sprintf("    stop: {after: %s, code: %d}\n", time.Duration(w.Int64N(int64(8*time.Second)))+time.Millisecond, w.IntN(2)*143)
		}
		if w.IntN(3) > 0 || kind == "i" {
			code := 0
			if w.IntN(2) == 0 {
				code = 1 + w.IntN(2)
			}
			if kind == "i" {
				after /= 20
				code = min(code, w.IntN(2))
			}
			script += fmt.Sprintf("    exit: {after: %s, code: %d}\n", after, code)
		}
		if w.IntN(3) == 0 {
			script += fmt.Sprintf("    pull: {took: %s}\n", time.Duration(1+w.Int64N(int64(20*time.Second))))
		}
		if w.IntN(3) == 0 {
			script += fmt.Sprintf("    start: {took: %s}\n", time.Duration(1+w.Int64N(int64(5*time.Second))))
		}
		exec := func(kind string) *v1.Probe {
			return &v1.Probe{ProbeHandler: v1.ProbeHandler{Exec: &v1.ExecAction{Command: []string{kind}}}, PeriodSeconds: 10, TimeoutSeconds: 1,
				SuccessThreshold: 1, FailureThreshold: int32(1 + w.IntN(3))}
		}
		if kind != "i" {
			if w.IntN(3) == 0 {
				c.StartupProbe = exec("startup")
			}
			if w.IntN(3) == 0 {
				c.ReadinessProbe = exec("readiness")
			}
			if w.IntN(3) == 0 {
				c.LivenessProbe = exec("liveness")
			}
		}
		return c
	}
	for i := range w.IntN(3) {
		kind := []string{"i", "s"}[w.IntN(2)]
		c := container(kind, i)
		if kind == "s" {
			always := v1.ContainerRestartPolicyAlways
			c.RestartPolicy = &always
		}
		pod.Spec.InitContainers = append(pod.Spec.InitContainers, c)
	}
	for i := range 1 + w.IntN(2) {
		pod.Spec.Containers = append(pod.Spec.Containers, container("c", i))
	}
	pod.Annotations = map[string]string{"podling.dev/sim": script}
	return pod
}
