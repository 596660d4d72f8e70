package probe

import (
	"net/http"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/component-base/metrics"
)

// counts are what the node's probes came to, under upstream's names (pkg/kubelet/prober/prober_manager.go).
type counts struct {
	results   *metrics.CounterVec
	durations *metrics.HistogramVec
	handler   http.Handler
}

// The results, in upstream's words. A probe that could not be run counts for nothing.
const (
	successful = "successful"
	failed     = "failed"
)

func newCounts() *counts {
	c := &counts{
		results: metrics.NewCounterVec(&metrics.CounterOpts{
			Subsystem: "prober", Name: "probe_total", StabilityLevel: metrics.BETA,
			Help: "Cumulative number of a liveness, readiness or startup probe for a container by result.",
		}, []string{"probe_type", "result", "container", "pod", "namespace", "pod_uid"}),
		durations: metrics.NewHistogramVec(&metrics.HistogramOpts{
			Subsystem: "prober", Name: "probe_duration_seconds", StabilityLevel: metrics.ALPHA,
			Help: "Duration in seconds for a probe response.",
		}, []string{"probe_type", "container", "pod", "namespace"}),
	}
	registry := metrics.NewKubeRegistry()
	registry.MustRegister(c.results, c.durations)
	c.handler = metrics.HandlerFor(registry, metrics.HandlerOpts{ErrorHandling: metrics.ContinueOnError})
	return c
}

// Metrics serves what the probes came to; nil where they are simulated.
func (ps *Probers) Metrics() http.Handler {
	if ps.counts == nil {
		return nil
	}
	return ps.counts.handler
}

// A tally knows which series are one pod's, so that they go with it.
type tally struct {
	*counts // nil: nobody counts

	mu   sync.Mutex
	mine map[series]*v1.Pod
}

type series struct{ kind, container string }

func (t *tally) add(pod *v1.Pod, container, kind string, success bool, took time.Duration) {
	if t.counts == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mine == nil {
		t.mine = map[series]*v1.Pod{}
	}
	s := series{kind, container}
	t.mine[s] = pod
	if !success {
		t.results.With(s.result(pod, failed)).Inc()
		return
	}
	t.results.With(s.result(pod, successful)).Inc()
	t.durations.With(s.duration(pod)).Observe(took.Seconds())
}

// clear forgets the pod.
func (t *tally) clear() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for s, pod := range t.mine {
		t.results.Delete(s.result(pod, failed))
		t.results.Delete(s.result(pod, successful))
		t.durations.Delete(s.duration(pod))
	}
	clear(t.mine)
}

func (s series) duration(pod *v1.Pod) map[string]string {
	return map[string]string{"probe_type": s.kind, "container": s.container, "pod": pod.Name, "namespace": pod.Namespace}
}

func (s series) result(pod *v1.Pod, result string) map[string]string {
	labels := s.duration(pod)
	labels["pod_uid"], labels["result"] = string(pod.UID), result
	return labels
}
