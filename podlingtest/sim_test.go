package podlingtest_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podling/podling/podlingtest"
	"github.com/podling/podling/runtime/fault/rule"
	"github.com/podling/podling/runtime/sim/script"
)

// exits is a script of containers that end by themselves.
func exits(after time.Duration, code int32) *script.PodScript {
	s := &script.PodScript{}
	s.Exit = &script.Exit{After: script.Duration(after), Code: code}
	return s
}

// scripted gives a pod a script of its own.
func scripted(s *script.PodScript) func(*v1.Pod) {
	return func(pod *v1.Pod) { metav1.SetMetaDataAnnotation(&pod.ObjectMeta, script.Annotation, s.String()) }
}

func labelled(key, value string) func(*v1.Pod) {
	return func(pod *v1.Pod) { metav1.SetMetaDataLabel(&pod.ObjectMeta, key, value) }
}

// Pods run on a simulated node as they do on a real one, and go.
func TestSim(t *testing.T) {
	t.Parallel()
	c := podlingtest.Start(t)
	pod := create(t, c, "stays", scripted(&script.PodScript{Script: script.Script{Run: script.Run{Stop: &script.Stop{}}}}))
	done := create(t, c, "done", scripted(exits(0, 0)), func(p *v1.Pod) { p.Spec.RestartPolicy = v1.RestartPolicyNever })
	bad := create(t, c, "bad", scripted(exits(0, 3)), func(p *v1.Pod) { p.Spec.RestartPolicy = v1.RestartPolicyNever })
	ready := c.WaitFor(pod, podlingtest.Ready)
	if ready.Spec.NodeName != c.Node() || ready.Status.PodIP == "" {
		t.Errorf("it is ready on node %q, with address %q", ready.Spec.NodeName, ready.Status.PodIP)
	}
	c.WaitFor(done, podlingtest.Succeeded)
	if pod := c.WaitFor(bad, podlingtest.Failed); pod.Status.ContainerStatuses[0].State.Terminated.ExitCode != 3 {
		t.Errorf("it has failed with %+v", pod.Status.ContainerStatuses[0].State)
	}
	if err := c.Client.CoreV1().Pods("default").Delete(t.Context(), pod.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	c.WaitFor(pod, podlingtest.Gone)
	c.WentThrough(pod, podlingtest.Not(podlingtest.Running), podlingtest.Ready, podlingtest.Gone)
}

// Time stands until it is advanced, and then all that it brings about has happened.
func TestManualTime(t *testing.T) {
	t.Parallel()
	c := podlingtest.Start(t, podlingtest.ManualTime())
	pod := create(t, c, "crashes", scripted(exits(time.Second, 1)))
	c.WaitFor(pod, podlingtest.Ready)
	began := c.Clock.Now()
	c.Clock.Advance(time.Second)
	c.WaitFor(pod, podlingtest.Restarts(1))
	c.Clock.Advance(time.Second)
	c.WaitFor(pod, podlingtest.Waiting("CrashLoopBackOff"))
	c.Clock.Advance(5 * time.Second)
	c.WaitFor(pod, podlingtest.Waiting("CrashLoopBackOff")) // its ten seconds are not over
	for range 2 {
		c.Clock.Advance(10 * time.Minute)
	}
	now := c.WaitFor(pod, podlingtest.Restarts(6))
	if passed := c.Clock.Now().Sub(began); passed != 20*time.Minute+7*time.Second {
		t.Errorf("%s have passed", passed)
	}
	// 10 s, 20 s, 40 s, 80 s, 160 s and then each 5 minutes: six to eight in twenty minutes, and the first.
	if n := now.Status.ContainerStatuses[0].RestartCount; n < 6 || n > 9 {
		t.Errorf("it was restarted %d times", n)
	}
}

// A crowd of pods, of which not every state is written, lives by the same clock: each has done what it does,
// to the second, and its status says so, when the advance is over.
func TestCrowdInManualTime(t *testing.T) {
	t.Parallel()
	const pods = 150
	c := podlingtest.Start(t, podlingtest.ManualTime(), podlingtest.Nodes(2))
	var made errgroup.Group
	made.SetLimit(16)
	for i := range pods {
		made.Go(func() error {
			pod := newPod(fmt.Sprint("p-", i), scripted(exits(time.Second, 1)))
			_, err := c.Client.CoreV1().Pods(pod.Namespace).Create(t.Context(), pod, metav1.CreateOptions{})
			return err
		})
	}
	if err := made.Wait(); err != nil {
		t.Fatal(err)
	}
	c.WaitForPods("default", "", pods, podlingtest.Ready)
	for _, step := range []struct {
		passes time.Duration
		then   string
	}{
		{0, "restarts 0, is running"},
		{time.Second, "restarts 1, was Error after 1s, is running"},
		{time.Second, "restarts 1, was Error after 1s, is waiting CrashLoopBackOff"},
		{9 * time.Second, "restarts 1, was Error after 1s, is waiting CrashLoopBackOff"},
		{time.Second, "restarts 2, was Error after 1s, is running"},
		{2 * time.Minute, "restarts 4, was Error after 1s, is waiting CrashLoopBackOff"},
	} {
		if step.passes > 0 {
			c.Clock.Advance(step.passes)
		}
		list, err := c.Client.CoreV1().Pods("default").List(t.Context(), metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		states := map[string]int{}
		for _, pod := range list.Items {
			states[state(pod.Status.ContainerStatuses[0])]++
		}
		if want := map[string]int{step.then: pods}; !maps.Equal(states, want) {
			t.Fatalf("%v later: %v, want %v", step.passes, states, want)
		}
	}
}

// state is what a container's status says of its life.
func state(s v1.ContainerStatus) string {
	said := fmt.Sprint("restarts ", s.RestartCount)
	if was := s.LastTerminationState.Terminated; was != nil {
		said += fmt.Sprintf(", was %s after %v", was.Reason, was.FinishedAt.Sub(was.StartedAt.Time))
	}
	switch {
	case s.State.Running != nil:
		said += ", is running"
	case s.State.Waiting != nil:
		said += ", is waiting " + s.State.Waiting.Reason
	}
	return said
}

// Virtual time passes by itself, as soon as nothing is under way.
func TestVirtualTime(t *testing.T) {
	t.Parallel()
	c := podlingtest.Start(t, podlingtest.VirtualTime())
	before := c.Clock.Now()
	pod := create(t, c, "crashes", scripted(exits(time.Second, 1)))
	c.WentThrough(pod, podlingtest.Running, podlingtest.Waiting("CrashLoopBackOff"), podlingtest.Restarts(5))
	c.Clock.Pause()
	paused := c.Clock.Now()
	if passed := paused.Sub(before); passed < (10+20+40+80)*time.Second {
		t.Errorf("only %s have passed", passed)
	}
	c.Clock.Advance(time.Minute)
	if now := c.Clock.Now(); !now.Equal(paused.Add(time.Minute)) {
		t.Errorf("from %s it was advanced to %s", paused, now)
	}
	c.Clock.Resume()
	if !c.Clock.State().Running {
		t.Error("it was resumed, and stands")
	}
}

// Profiles say what pods do, from the start or later.
func TestProfiles(t *testing.T) {
	t.Parallel()
	oom := &script.PodScript{}
	oom.Exit = &script.Exit{OOM: true}
	file := filepath.Join(t.TempDir(), "profiles.yaml")
	if err := os.WriteFile(file, []byte(`
apiVersion: podling.dev/v1alpha1
kind: SimProfile
metadata: {name: from-a-file}
spec:
  podSelector: {matchLabels: {is: file}}
  script: {exit: {code: 42}}
`), 0o600); err != nil {
		t.Fatal(err)
	}
	c := podlingtest.Start(t, podlingtest.ProfileFile(file),
		podlingtest.Profile("leaks", script.ProfileSpec{PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"is": "leak"}}, Script: oom}))
	c.Sim.Add("later", script.ProfileSpec{PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"is": "later"}}, Script: exits(0, 7)})
	for is, code := range map[string]int32{"file": 42, "leak": 137, "later": 7} {
		pod := create(t, c, is, labelled("is", is), func(p *v1.Pod) { p.Spec.RestartPolicy = v1.RestartPolicyNever })
		pod = c.WaitFor(pod, podlingtest.Failed)
		if got := pod.Status.ContainerStatuses[0].State.Terminated; got.ExitCode != code || (got.Reason == "OOMKilled") != (is == "leak") {
			t.Errorf("%s: %+v", is, got)
		}
	}
	var names []string
	for _, p := range c.Sim.List() {
		names = append(names, p.Name)
	}
	if got, want := fmt.Sprint(names), "[later from-a-file leaks]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	c.Sim.Remove("later")
	if n := len(c.Sim.List()); n != 2 {
		t.Errorf("%d are left", n)
	}
}

// Faults strike, are counted and end.
func TestFaults(t *testing.T) {
	t.Parallel()
	c := podlingtest.Start(t, podlingtest.VirtualTime())
	name := c.Faults.Add(rule.Rule{Call: rule.PullImage, Pod: "default/web", Error: "denied"})
	pod := create(t, c, "web", scripted(&script.PodScript{Script: script.Script{Run: script.Run{Stop: &script.Stop{}}}}))
	c.WentThrough(pod, podlingtest.Waiting("ErrImagePull"), podlingtest.Waiting("ImagePullBackOff"))
	if list := c.Faults.List(); len(list) != 1 || list[0].Name != name || list[0].Hits == 0 {
		t.Errorf("%+v", list)
	}
	c.Faults.Remove(name)
	c.WaitFor(pod, podlingtest.Ready)
}

// A fault strikes the commands of probes too: a pod whose probes cannot be run is not ready.
func TestExecFault(t *testing.T) {
	t.Parallel()
	c := podlingtest.Start(t, podlingtest.VirtualTime())
	name := c.Faults.Add(rule.Rule{Call: rule.ExecSync, Pod: "default/asked", Error: "no such process"})
	pod := create(t, c, "asked", func(pod *v1.Pod) {
		pod.Spec.Containers[0].ReadinessProbe = &v1.Probe{PeriodSeconds: 1, ProbeHandler: v1.ProbeHandler{Exec: &v1.ExecAction{Command: []string{"true"}}}}
	})
	running := c.WaitFor(pod, podlingtest.Running)
	for c.Faults.List()[0].Hits < 5 {
		if err := podlingtest.Ready(running); err == nil {
			t.Fatal("a pod whose probe cannot be run is ready")
		}
		running = c.WaitFor(pod, podlingtest.Running)
	}
	c.Faults.Remove(name)
	c.WaitFor(pod, podlingtest.Ready)
}

// Several nodes share what is said to one of them.
func TestNodes(t *testing.T) {
	t.Parallel()
	c := podlingtest.Start(t, podlingtest.Nodes(3))
	c.Faults.Add(rule.Rule{Call: rule.CreateContainer, Selector: "app=web", Error: "no"})
	for i := range 9 {
		create(t, c, fmt.Sprint("web-", i), labelled("app", "web"))
	}
	nodes := map[string]bool{}
	for _, pod := range c.WaitForPods("default", "app=web", 9, podlingtest.Waiting("CreateContainerError")) {
		nodes[pod.Spec.NodeName] = true
	}
	if len(nodes) != 3 {
		t.Errorf("the pods are on %d nodes", len(nodes))
	}
}

// Bad input fails the test with the reason.
func TestBadInput(t *testing.T) {
	t.Parallel()
	const unknown = "apiVersion: podling.dev/v1alpha1\nkind: SimProfile\nmetadata: {name: x}\nspec:\n  script: {exitt: {code: 1}}\n"
	e := up(t, podlingtest.ManualTime())
	real := up(t)
	for _, test := range []struct {
		on  *podlingtest.Environment
		do  func(*podlingtest.Cluster)
		say string
	}{
		{e, func(c *podlingtest.Cluster) { c.Clock.Advance(-time.Minute) }, "advance the clock by -1m0s: node "},
		{e, func(c *podlingtest.Cluster) { c.Clock.Advance(-time.Minute) }, "a clock does not move backwards"},
		{e, func(c *podlingtest.Cluster) { c.Clock.Advance(0) }, "by 0s: a clock does not move backwards"},
		{real, func(c *podlingtest.Cluster) { c.Clock.Advance(time.Minute) }, "goes by the machine's clock"},
		{real, func(c *podlingtest.Cluster) { c.Clock.Pause() }, "goes by the machine's clock"},
		{e, func(c *podlingtest.Cluster) { c.Faults.Add(rule.Rule{Call: "PullPicture"}) }, `a fault: call "PullPicture" does not exist`},
		{e, func(c *podlingtest.Cluster) { c.Faults.Add(rule.Rule{}) }, "call is missing"},
		{e, func(c *podlingtest.Cluster) { c.Faults.Remove("nobody") }, "nobody: there is no fault of that name"},
		{e, func(c *podlingtest.Cluster) { c.Faults.Remove("a/b") }, `"a/b" is the name of nothing`},
		{e, func(c *podlingtest.Cluster) { c.Sim.AddYAML(unknown) }, "line 5: spec.script.exitt: there is no such field"},
		{e, func(c *podlingtest.Cluster) { c.Sim.Add("", script.ProfileSpec{}) }, "it has no name"},
		{e, func(c *podlingtest.Cluster) { c.Sim.Add("x", script.ProfileSpec{Script: exits(0, 999)}) }, "999 is no exit code"},
		{e, func(c *podlingtest.Cluster) {
			c.Sim.Add("twice", script.ProfileSpec{})
			c.Sim.Add("twice", script.ProfileSpec{})
		}, "twice"},
		{e, func(c *podlingtest.Cluster) { c.Sim.Remove("nobody") }, "nobody"},
	} {
		wantFailure(t, func(t testing.TB) { test.do(test.on.For(t)) }, "podlingtest: ", test.say)
	}
	file := filepath.Join(t.TempDir(), "profile.yaml")
	if err := os.WriteFile(file, []byte(unknown), 0o600); err != nil {
		t.Fatal(err)
	}
	wantFailure(t, func(t testing.TB) { podlingtest.Start(t, podlingtest.ProfileFile(file)) }, "profile.yaml, line 5: spec.script.exitt: there is no such field")
	wantFailure(t, func(t testing.TB) { podlingtest.Start(t, podlingtest.ProfileFile("/nowhere.yaml")) }, "/nowhere.yaml")
	wantFailure(t, func(t testing.TB) {
		podlingtest.Start(t, podlingtest.Profile("bad", script.ProfileSpec{Script: exits(0, -1)}))
	}, "profile bad: spec.script.exit.code: -1 is no exit code")
	wantFailure(t, func(t testing.TB) { podlingtest.Start(t, podlingtest.Nodes(-1)) }, "--nodes -1")
}

// A podling that dies fails whoever waits, with its last words.
func TestPodlingDies(t *testing.T) {
	t.Parallel()
	wantFailure(t, func(t testing.TB) {
		c := podlingtest.Start(t, podlingtest.Runtime(podlingtest.None))
		pod := create(t, c, "web", byHand)
		c.WentThrough(pod, podlingtest.Not(podlingtest.Ready))
		podlingtest.Kill(c)
		c.WaitFor(pod, podlingtest.Ready)
	}, "pod default/web: podling is gone: it ended (signal: killed)", "the cluster did not end well: podling: it ended")
}
