package podlingtest_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podling/podling/podlingtest"
)

// A trial is a test inside of a test: how it ends, and what it logs, is looked at.
type trial struct {
	testing.TB
	mu       sync.Mutex
	log      strings.Builder
	failed   bool
	cleanups []func()
}

func (f *trial) note(text string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.log.WriteString(strings.TrimRight(text, "\n") + "\n")
}

func (f *trial) fail() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failed = true
}

func (f *trial) Helper()                   {}
func (f *trial) Log(args ...any)           { f.note(fmt.Sprint(args...)) }
func (f *trial) Logf(s string, a ...any)   { f.note(fmt.Sprintf(s, a...)) }
func (f *trial) Error(args ...any)         { f.Log(args...); f.fail() }
func (f *trial) Errorf(s string, a ...any) { f.Logf(s, a...); f.fail() }
func (f *trial) Fatal(args ...any)         { f.Error(args...); runtime.Goexit() }
func (f *trial) Fatalf(s string, a ...any) { f.Errorf(s, a...); runtime.Goexit() }
func (f *trial) Cleanup(do func())         { f.cleanups = append(f.cleanups, do) }
func (f *trial) Context() context.Context  { return f.TB.Context() }
func (f *trial) Failed() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.failed
}

// try runs a test to its end and gives its log; failed says how it ended.
func try(t *testing.T, test func(testing.TB)) (log string, failed bool) {
	t.Helper()
	f := &trial{TB: t}
	run := func(do func()) {
		done := make(chan any, 1)
		go func() {
			defer func() { done <- recover() }()
			do()
		}()
		if panicked := <-done; panicked != nil {
			t.Errorf("it panics: %v", panicked)
		}
	}
	run(func() { test(f) })
	for i := len(f.cleanups) - 1; i >= 0; i-- {
		run(f.cleanups[i])
	}
	return f.log.String(), f.failed
}

// wantFailure is a test that fails, and says these words.
func wantFailure(t *testing.T, test func(testing.TB), words ...string) string {
	t.Helper()
	log, failed := try(t, test)
	if !failed {
		t.Errorf("it passes; want a failure with %q", words)
	}
	for _, want := range words {
		if !strings.Contains(log, want) {
			t.Errorf("%q is not in the log:\n%s", want, log)
		}
	}
	return log
}

func newPod(name string, change ...func(*v1.Pod)) *v1.Pod {
	pod := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default"},
		Spec: v1.PodSpec{TerminationGracePeriodSeconds: new(int64(1)), Containers: []v1.Container{{Name: "main", Image: "registry.example/main:1"}}}}
	for _, do := range change {
		do(pod)
	}
	return pod
}

// create makes a pod with one container.
func create(t testing.TB, c *podlingtest.Cluster, name string, change ...func(*v1.Pod)) *v1.Pod {
	t.Helper()
	pod := newPod(name, change...)
	made, err := c.Client.CoreV1().Pods(pod.Namespace).Create(t.Context(), pod, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// byHand keeps the scheduler away from a pod whose status is written by hand.
func byHand(pod *v1.Pod) { pod.Spec.SchedulerName = "nobody" }

// show writes a pod's status as a node would.
func show(t testing.TB, c *podlingtest.Cluster, pod *v1.Pod, change func(*v1.PodStatus)) {
	t.Helper()
	pods := c.Client.CoreV1().Pods(pod.Namespace)
	now, err := pods.Get(t.Context(), pod.Name, metav1.GetOptions{})
	if err == nil {
		change(&now.Status)
		_, err = pods.UpdateStatus(t.Context(), now, metav1.UpdateOptions{})
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func remove(t testing.TB, c *podlingtest.Cluster, pod *v1.Pod) {
	t.Helper()
	now := int64(0)
	if err := c.Client.CoreV1().Pods(pod.Namespace).Delete(t.Context(), pod.Name, metav1.DeleteOptions{GracePeriodSeconds: &now}); err != nil {
		t.Error(err)
	}
}
