package conformance

import (
	"path/filepath"
	"testing"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podling/podling/conformance/launch"
)

// TestPowerCut kills podling with simulated pods, whose containers are gone with it, and starts it on
// the same data: each pod is then as its restartPolicy wants it on a node that lost power, what was
// asked for last is there, and what was being deleted is not.
func TestPowerCut(t *testing.T) {
	binary, err := launch.Binary("..")
	if err != nil {
		t.Fatal(err)
	}
	flags := []string{"--runtime", "sim", "--data-dir", filepath.Join(t.TempDir(), "data"), "--listen", "127.0.0.1:0"}
	p, client := launched(t, binary, flags...)
	apply := func(name string, policy v1.RestartPolicy, command ...string) {
		t.Helper()
		grace := int64(60)
		pod := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1.PodSpec{
			RestartPolicy: policy, TerminationGracePeriodSeconds: &grace,
			Containers: []v1.Container{{Name: "c", Image: "app", Command: command}},
		}}
		if _, err := client.CoreV1().Pods("default").Create(t.Context(), pod, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	status := func(name string) v1.ContainerStatus {
		if s := pods(t, client)[name].Status.ContainerStatuses; len(s) == 1 {
			return s[0]
		}
		return v1.ContainerStatus{}
	}
	phase := func(name string) v1.PodPhase { return pods(t, client)[name].Status.Phase }

	apply("always", v1.RestartPolicyAlways)
	apply("never", v1.RestartPolicyNever)
	apply("done", v1.RestartPolicyNever, "true")
	apply("leaves", v1.RestartPolicyAlways, "sh", "-c", "trap '' TERM; sleep 1000")
	until(t, "all run or are done", func() bool {
		return phase("always") == v1.PodRunning && phase("never") == v1.PodRunning && phase("leaves") == v1.PodRunning && phase("done") == v1.PodSucceeded
	})
	if err := client.CoreV1().Pods("default").Delete(t.Context(), "leaves", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	apply("last", v1.RestartPolicyAlways)
	kill(t, p.Pid)
	p.Wait()

	p, client = launched(t, binary, flags...)
	until(t, "all are as they should be", func() bool {
		_, leaves := pods(t, client)["leaves"]
		return !leaves && status("always").State.Running != nil && status("last").State.Running != nil && phase("never") == v1.PodFailed
	})
	if n := status("always").RestartCount; n != 1 {
		t.Errorf("the container that went on was restarted %d times", n)
	}
	if last := status("never").State.Terminated; last == nil || last.Reason != "ContainerStatusUnknown" || last.ExitCode != 137 {
		t.Errorf("the container that was not to be restarted: %+v", last)
	}
	if phase("done") != v1.PodSucceeded || status("done").RestartCount != 0 {
		t.Errorf("the pod that was done: %s, %d restarts", phase("done"), status("done").RestartCount)
	}
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
}
