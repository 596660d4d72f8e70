package conformance

import (
	"strings"
	"testing"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podling/podling/conformance/launch"
)

// TestSimulatedPush: an image that the pretended registries do not have can be pulled
// once it was pushed.
func TestSimulatedPush(t *testing.T) {
	binary, err := launch.Binary("..")
	if err != nil {
		t.Fatal(err)
	}
	runner, stop, err := Simulated(t.Context(), binary)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	}()
	client := clientFor(t, runner.Kubeconfig)
	runs := func(name, image string) (is bool) {
		pod := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1.PodSpec{Containers: []v1.Container{{Name: "main", Image: image}}}}
		if _, err := client.CoreV1().Pods("default").Create(t.Context(), pod, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		settled := false
		until(t, "the pod "+name+" runs, or cannot", func() bool {
			for _, s := range pods(t, client)[name].Status.ContainerStatuses {
				is = s.State.Running != nil
				settled = is || s.State.Waiting != nil && strings.Contains(s.State.Waiting.Reason, "ImagePull")
			}
			return settled
		})
		return is
	}
	if runs("before", "later:1") {
		t.Error("it runs before it was pushed")
	}
	for _, image := range []string{"later:1", "later:2"} {
		if err := runner.Push(t.Context(), image); err != nil {
			t.Fatal(err)
		}
	}
	if !runs("after", "later:1") {
		t.Error("it does not run once it was pushed")
	}
	if runs("other", "never:1") {
		t.Error("another runs that was never pushed")
	}
}
