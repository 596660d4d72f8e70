package worker

import (
	"testing"

	"github.com/podling/podling/clock"
	v1 "k8s.io/api/core/v1"

	"github.com/podling/podling/lifecycle"
)

// A sidecar's turn comes when all of the containers that it serves have ended,
// were there two of one name.
func TestOrder(t *testing.T) {
	always := v1.ContainerRestartPolicyAlways
	pod := &v1.Pod{Spec: v1.PodSpec{
		InitContainers: []v1.Container{{Name: "side", RestartPolicy: &always}},
		Containers:     []v1.Container{{Name: "main"}},
	}}
	o := newOrder(pod, []lifecycle.Container{
		{Name: "main", State: lifecycle.Running}, {Name: "main", State: lifecycle.Unknown}, {Name: "main", State: lifecycle.Exited},
		{Name: "side", State: lifecycle.Running},
	})
	turn := make(chan struct{})
	go func() {
		o.wait(t.Context(), clock.Real{}, "side", 1<<62)
		close(turn)
	}()
	o.ended("main")
	select {
	case <-turn:
		t.Fatal("its turn came while one of them still ran")
	default:
	}
	o.ended("main")
	<-turn
	o.ended("side")
}
