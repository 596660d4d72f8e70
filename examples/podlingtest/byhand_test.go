package runner_test

import (
	"errors"
	"maps"
	"testing"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podling/podling/podlingtest"
)

// TestBatchByHand is TestBatch as it is written for envtest, which has no kubelet: the
// test writes every status that one would, as its author believes a kubelet does. What
// he forgets or gets wrong (here: that a container's restart count grows before it
// waits, and that lastState keeps the end) is never tested.
func TestBatchByHand(t *testing.T) {
	c := shared.For(t)
	type result struct {
		outcome map[string]string
		err     error
	}
	done := make(chan result, 1)
	go func() {
		outcome, err := batch(c, "good", "bad", "greedy", "hungry").Run(t.Context())
		done <- result{outcome, err}
	}()
	play := func(name string, status v1.PodStatus) {
		t.Helper()
		c.WaitFor(podlingtest.Named("default", name), exists)
		pods := c.Client.CoreV1().Pods("default")
		pod, err := pods.Get(t.Context(), name, metav1.GetOptions{})
		if err == nil {
			pod.Status = status
			pod.ResourceVersion = "" // the scheduler may have written meanwhile
			_, err = pods.UpdateStatus(t.Context(), pod, metav1.UpdateOptions{})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	container := func(restarts int32, state v1.ContainerState) v1.PodStatus {
		return v1.PodStatus{Phase: v1.PodRunning, ContainerStatuses: []v1.ContainerStatus{{
			Name: "work", Image: "registry.example/work:1", RestartCount: restarts, State: state,
		}}}
	}
	oom := v1.ContainerState{Terminated: &v1.ContainerStateTerminated{Reason: "OOMKilled", ExitCode: 137}}
	crash := v1.ContainerState{Waiting: &v1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}}

	play("b-server-1", v1.PodStatus{Phase: v1.PodRunning, Conditions: []v1.PodCondition{{Type: v1.PodReady, Status: v1.ConditionTrue}}})
	play("b-good-1", v1.PodStatus{Phase: v1.PodSucceeded})
	for restarts := range int32(4) {
		play("b-bad-1", container(restarts, crash))
	}
	for _, name := range []string{"b-greedy-1", "b-greedy-2", "b-greedy-3", "b-hungry-1"} {
		play(name, container(0, oom))
	}
	play("b-hungry-2", v1.PodStatus{Phase: v1.PodSucceeded})

	got := <-done
	want := map[string]string{"good": "done", "bad": "given up after 3 restarts", "greedy": "needs more than 256Mi", "hungry": "done"}
	if got.err != nil || !maps.Equal(got.outcome, want) {
		t.Errorf("%v, %v, want %v", got.outcome, got.err, want)
	}
}

// exists is a condition of the test's own.
func exists(pod *v1.Pod) error {
	if pod == nil {
		return errors.New("the runner has not made it")
	}
	return nil
}
