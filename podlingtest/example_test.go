package podlingtest_test

import (
	"context"
	"fmt"
	"log"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podling/podling/podlingtest"
	"github.com/podling/podling/runtime/fault/rule"
	"github.com/podling/podling/runtime/sim/script"
)

// A test has a cluster of its own, in which a pod crashes until its back-off is five
// minutes. No minute passes.
func ExampleStart() {
	var t *testing.T // of func TestBackOff(t *testing.T)

	c := podlingtest.Start(t, podlingtest.ManualTime())
	pod := &v1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name:        "web",
			Annotations: map[string]string{script.Annotation: `exit: {after: 1s, code: 1}`},
		},
		Spec: v1.PodSpec{Containers: []v1.Container{{Name: "main", Image: "registry.example/web:1"}}},
	}
	pod, err := c.Client.CoreV1().Pods("default").Create(t.Context(), pod, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	c.WaitFor(pod, podlingtest.Ready)
	c.Clock.Advance(10 * time.Minute)
	c.WaitFor(pod, podlingtest.Restarts(5))
	c.WaitFor(pod, podlingtest.Waiting("CrashLoopBackOff"))
}

// The registry refuses an image three times.
func ExampleFaults_Add() {
	var t *testing.T

	c := podlingtest.Start(t, podlingtest.VirtualTime())
	c.Faults.Add(rule.Rule{Call: rule.PullImage, Image: "registry.example/*", Error: "denied", Count: 3})
}

// All pods with a label are killed for want of memory after a minute.
func ExampleProfiles_Add() {
	var t *testing.T

	c := podlingtest.Start(t, podlingtest.VirtualTime())
	leaks := &script.PodScript{}
	leaks.Exit = &script.Exit{After: script.Duration(time.Minute), OOM: true}
	c.Sim.Add("leaks", script.ProfileSpec{
		PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "leaky"}},
		Script:      leaks,
	})
}

// Somebody else's condition: nil is that it holds.
func ExampleCondition() {
	scheduledTo := func(node string) podlingtest.Condition {
		return func(pod *v1.Pod) error {
			if pod == nil || pod.Spec.NodeName != node {
				return fmt.Errorf("it is not on %s", node)
			}
			return nil
		}
	}
	fmt.Println(scheduledTo("node-1")(&v1.Pod{Spec: v1.PodSpec{NodeName: "node-0"}}))
	// Output: it is not on node-1
}

// A cluster that all tests of a package share comes up in TestMain. Each test has it
// by For:
//
//	func TestOne(t *testing.T) {
//		c := env.For(t)
//		namespace := c.Namespace()
//		…
//	}
func ExampleUp() {
	env, err := podlingtest.Up(context.Background(), podlingtest.Nodes(2))
	if err != nil {
		log.Fatal(err)
	}
	defer env.Stop()
	nodes, err := env.Client.CoreV1().Nodes().List(context.Background(), metav1.ListOptions{})
	if err != nil {
		log.Fatal(err)
	}
	for _, node := range nodes.Items {
		fmt.Println(node.Name)
	}
	// Output:
	// node-0
	// node-1
}
