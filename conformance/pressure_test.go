package conformance

import (
	"testing"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podling/podling/conformance/launch"
)

// TestDiskPressure has a node run short of disk: it removes what is left of pods that are over, whose
// last word stands, and spares critical pods.
func TestDiskPressure(t *testing.T) {
	binary, mirror := given(t)
	p, err := launch.Up(t.Context(), binary, "--ephemeral", "--registry-mirror", mirror,
		"--eviction-soft=nodefs.available<1000Ti", "--eviction-soft-grace-period=nodefs.available=15s")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
	}()
	client := clientFor(t, p.Kubeconfig).CoreV1()
	for name, command := range map[string][]string{"over": {"sh", "-c", "echo done; exit 7"}, "needed": {"sleep", "3600"}} {
		pod := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1.PodSpec{
			NodeName: p.Node, PriorityClassName: "system-node-critical", RestartPolicy: v1.RestartPolicyNever,
			Containers: []v1.Container{{Name: "main", Image: "busybox:1.36", Command: command}},
		}}
		if _, err := client.Pods("default").Create(t.Context(), pod, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	get := func(name string) *v1.Pod {
		pod, err := client.Pods("default").Get(t.Context(), name, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return pod
	}
	logs := func() error {
		return client.Pods("default").GetLogs("over", &v1.PodLogOptions{}).Do(t.Context()).Error()
	}
	until(t, "a pod that is over", func() bool { return get("over").Status.Phase == v1.PodFailed })
	until(t, "a pod that runs", func() bool { return get("needed").Status.Phase == v1.PodRunning })
	if err := logs(); err != nil {
		t.Errorf("the pod that is over has no logs before its container is removed: %v", err)
	}
	until(t, "its container removed", func() bool { return logs() != nil })
	if s := get("over").Status; s.Phase != v1.PodFailed || s.ContainerStatuses[0].State.Terminated == nil || s.ContainerStatuses[0].State.Terminated.ExitCode != 7 {
		t.Errorf("it ended with 7, and now its status says %+v", s)
	}
	if s := get("needed").Status; s.Phase != v1.PodRunning {
		t.Errorf("the critical pod: %+v", s)
	}
}
