package podlingtest_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"

	"github.com/podling/podling/podlingtest"
)

// The statuses that these tests write by hand.
func running(ready v1.ConditionStatus, restarts int32) func(*v1.PodStatus) {
	return func(s *v1.PodStatus) {
		s.Phase = v1.PodRunning
		s.Conditions = []v1.PodCondition{{Type: v1.PodReady, Status: ready}}
		s.ContainerStatuses = []v1.ContainerStatus{{Name: "main", Ready: ready == v1.ConditionTrue, RestartCount: restarts,
			State: v1.ContainerState{Running: &v1.ContainerStateRunning{}}}}
	}
}

func waiting(reason string, restarts int32) func(*v1.PodStatus) {
	return func(s *v1.PodStatus) {
		running(v1.ConditionFalse, restarts)(s)
		s.ContainerStatuses[0].State = v1.ContainerState{Waiting: &v1.ContainerStateWaiting{Reason: reason}}
		s.ContainerStatuses[0].LastTerminationState = v1.ContainerState{Terminated: &v1.ContainerStateTerminated{Reason: "OOMKilled", ExitCode: 137}}
	}
}

func phase(p v1.PodPhase) func(*v1.PodStatus) { return func(s *v1.PodStatus) { s.Phase = p } }

// What is waited for is seen, now or later.
func TestWaitFor(t *testing.T) {
	t.Parallel()
	c := up(t, podlingtest.Runtime(podlingtest.None)).For(t)
	pod := create(t, c, "web", byHand, func(p *v1.Pod) { p.Labels = map[string]string{"app": "web"} })
	if pod := c.WaitFor(podlingtest.Named("default", "nobody"), podlingtest.Gone); pod != nil {
		t.Errorf("it is gone, and %v", pod)
	}
	labelled := func(pod *v1.Pod) error {
		if pod == nil || pod.Labels["app"] != "web" {
			return errors.New("no web")
		}
		return nil
	}
	c.WaitFor(pod, labelled)
	for _, step := range []struct {
		status    func(*v1.PodStatus)
		condition podlingtest.Condition
	}{
		{running(v1.ConditionFalse, 0), podlingtest.Running},
		{running(v1.ConditionTrue, 0), podlingtest.Ready},
		{running(v1.ConditionFalse, 1), podlingtest.Not(podlingtest.Ready)},
		{waiting("CrashLoopBackOff", 2), podlingtest.Waiting("CrashLoopBackOff")},
		{waiting("CrashLoopBackOff", 2), podlingtest.Terminated("OOMKilled")},
		{running(v1.ConditionTrue, 3), podlingtest.Restarts(3)},
		{phase(v1.PodSucceeded), podlingtest.Succeeded},
	} {
		shown := make(chan struct{})
		go func() {
			defer close(shown)
			show(t, c, pod, step.status)
		}()
		if pod := c.WaitFor(pod, step.condition); pod == nil || step.condition(pod) != nil {
			t.Errorf("waited for, and %v", pod)
		}
		<-shown // it may have held before
	}
	c.WentThrough(pod, podlingtest.Ready, podlingtest.Waiting("CrashLoopBackOff"), podlingtest.Restarts(3), podlingtest.Ready, podlingtest.Succeeded)
	go remove(t, c, pod)
	c.WaitFor(pod, podlingtest.Gone)
	c.WentThrough(pod, podlingtest.Succeeded, podlingtest.Gone)

	failed := create(t, c, "failed", byHand)
	go show(t, c, failed, phase(v1.PodFailed))
	c.WaitFor(failed, podlingtest.Failed)
}

// Several pods are waited for by their labels.
func TestWaitForPods(t *testing.T) {
	t.Parallel()
	c := up(t, podlingtest.Runtime(podlingtest.None)).For(t)
	namespace := c.Namespace()
	for i := range 3 {
		pod := create(t, c, fmt.Sprint("web-", i), byHand, func(p *v1.Pod) { p.Namespace, p.Labels = namespace, map[string]string{"app": "web"} })
		if i > 0 {
			go show(t, c, pod, running(v1.ConditionTrue, 0))
		}
	}
	got := c.WaitForPods(namespace, "app=web", 2, podlingtest.Ready)
	if len(got) != 2 || got[0].Name != "web-1" || got[1].Name != "web-2" {
		t.Errorf("%v", got)
	}
	if none := c.WaitForPods(namespace, "app=db", 0, podlingtest.Ready); len(none) != 0 {
		t.Errorf("%v", none)
	}
}

// What does not come fails the test, with the reason and what became of the pod; at
// once, if it cannot come any more.
func TestWaitInVain(t *testing.T) {
	t.Parallel()
	e := up(t, podlingtest.Runtime(podlingtest.None))
	c := e.For(t)
	crashing, over := create(t, c, "crashing", byHand), create(t, c, "over", byHand)
	show(t, c, crashing, waiting("CrashLoopBackOff", 4))
	show(t, c, over, phase(v1.PodFailed))
	short := func(t testing.TB) *podlingtest.Cluster { return e.For(t).WithTimeout(300 * time.Millisecond) }
	log := wantFailure(t, func(t testing.TB) { short(t).WaitFor(crashing, podlingtest.Ready) },
		"pod default/crashing: not within 300ms: it is not ready, Running: main waits with CrashLoopBackOff",
		"MODIFIED  default/crashing  Running", "lastState=terminated OOMKilled",
		"CrashLoopBackOff: The container ended, is to run again", "usual causes:", "fix:", "OOMKilled: ")
	if n := strings.Count(log, "MODIFIED  default/crashing"); n != 1 {
		t.Errorf("what became of it is told %d times:\n%s", n, log)
	}
	wantFailure(t, func(t testing.TB) { e.For(t).WaitFor(over, podlingtest.Ready) }, "pod default/over: it has ended, Failed")
	wantFailure(t, func(t testing.TB) { short(t).WaitFor(over, podlingtest.Gone) }, "not within 300ms: nobody has deleted it")
	wantFailure(t, func(t testing.TB) { short(t).WaitFor(podlingtest.Named("", "nobody"), podlingtest.Running) },
		"pod default/nobody: not within 300ms: there is no such pod", "no such pod was made")
	wantFailure(t, func(t testing.TB) { short(t).WaitForPods("default", "", 3, podlingtest.Running) },
		`3 pods of namespace "default", selector "": not within 300ms: there are 1`, "over: it has ended, Failed")
	wantFailure(t, func(t testing.TB) { short(t).WaitForPods("default", "a=b=c", 1, podlingtest.Running) }, "pods cannot be listed: found '='")
	wantFailure(t, func(t testing.TB) { short(t).WentThrough(crashing, podlingtest.Running, podlingtest.Ready) },
		"pod default/crashing: not within 300ms: it went through 1 of 2, then it is not ready")
}

// A test that fails by itself shows the pods that something happened to meanwhile.
func TestReport(t *testing.T) {
	t.Parallel()
	e := up(t, podlingtest.Runtime(podlingtest.None))
	c := e.For(t)
	create(t, c, "before", byHand)
	c.WentThrough(podlingtest.Named("", "before"), podlingtest.Not(podlingtest.Ready))
	log := wantFailure(t, func(t testing.TB) {
		c := e.For(t)
		pod := create(t, c, "meanwhile", byHand)
		show(t, c, pod, waiting("ImagePullBackOff", 0))
		c.WentThrough(pod, podlingtest.Waiting("ImagePullBackOff"))
		t.Error("something else is wrong")
	}, "something else is wrong", "pod default/meanwhile\n", "waiting ImagePullBackOff", "ImagePullBackOff: ")
	if strings.Contains(log, "default/before") {
		t.Errorf("what was over before is told:\n%s", log)
	}
	log, failed := try(t, func(t testing.TB) { create(t, e.For(t), "quiet", byHand) })
	if failed || log != "" {
		t.Errorf("a test that passes: failed %v, and logs\n%s", failed, log)
	}
}
