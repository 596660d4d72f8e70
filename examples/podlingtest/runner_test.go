package runner_test

import (
	"maps"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	runner "github.com/podling/podling/examples/podlingtest"
	"github.com/podling/podling/podlingtest"
	"github.com/podling/podling/runtime/sim/script"
)

// The whole of it: the test says what the programs do, and Kubernetes does the rest.
func TestBatch(t *testing.T) {
	t.Parallel()
	c := podlingtest.Start(t, podlingtest.VirtualTime()) // the back-offs take no time
	c.Sim.AddYAML(`
apiVersion: podling.dev/v1alpha1
kind: SimProfile
metadata: {name: server}
spec:
  podSelector: {matchLabels: {item: server}}
  script:
    stop: {after: 1s}
`)
	fares(c, "good", "", exits(script.Exit{After: script.Duration(3 * time.Second)}))
	fares(c, "bad", "", exits(script.Exit{After: script.Duration(time.Second), Code: 1}))
	fares(c, "greedy", "", exits(script.Exit{OOM: true}))
	fares(c, "hungry", "1", exits(script.Exit{OOM: true}))
	fares(c, "hungry", "2", exits(script.Exit{}))

	got, err := batch(c, "good", "bad", "greedy", "hungry").Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"good": "done", "bad": "given up after 3 restarts", "greedy": "needs more than 256Mi", "hungry": "done"}
	if !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	c.WaitFor(podlingtest.Named("default", "b-server-1"), podlingtest.Gone)
}

// Nothing is begun before the server is ready.
func TestServerFirst(t *testing.T) {
	t.Parallel()
	c := podlingtest.Start(t, podlingtest.ManualTime())
	s := &script.PodScript{}
	s.Start = &script.Step{Took: script.Duration(time.Minute)}
	s.Stop = &script.Stop{}
	c.Sim.Add("server", forItem("server", "", s))
	fares(c, "good", "", exits(script.Exit{After: script.Duration(time.Second)}))

	done := make(chan error, 1)
	go func() {
		_, err := batch(c, "good").Run(t.Context())
		done <- err
	}()
	server := podlingtest.Named("default", "b-server-1")
	c.WaitFor(server, podlingtest.Waiting("ContainerCreating"))
	c.Clock.Advance(59 * time.Second)
	c.WaitFor(server, podlingtest.Not(podlingtest.Ready))
	c.WaitFor(podlingtest.Named("default", "b-good-1"), podlingtest.Gone)
	c.Clock.Advance(time.Second)
	c.WaitFor(server, podlingtest.Ready)
	c.WaitFor(podlingtest.Named("default", "b-good-1"), podlingtest.Running)
	c.Clock.Advance(time.Second)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func batch(c *podlingtest.Cluster, items ...string) *runner.Batch {
	return &runner.Batch{Client: c.Client, Namespace: "default", Name: "b", Image: "registry.example/work:1", Items: items,
		Memory: resource.MustParse("64Mi"), MostMemory: resource.MustParse("256Mi"), MostRestarts: 3}
}

// fares says how the pods of an item fare; those of one attempt, if it is given.
func fares(c *podlingtest.Cluster, item, attempt string, s *script.PodScript) {
	c.Sim.Add("item-"+item+attempt, forItem(item, attempt, s))
}

func forItem(item, attempt string, s *script.PodScript) script.ProfileSpec {
	labels := map[string]string{runner.LabelItem: item}
	if attempt != "" {
		labels[runner.LabelAttempt] = attempt
	}
	return script.ProfileSpec{PodSelector: &metav1.LabelSelector{MatchLabels: labels}, Script: s}
}

func exits(e script.Exit) *script.PodScript {
	s := &script.PodScript{}
	s.Exit = &e
	return s
}
