package probe

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podling/podling/lifecycle"
)

func scrape(ps *Probers) string {
	w := httptest.NewRecorder()
	ps.Metrics().ServeHTTP(w, httptest.NewRequest("GET", "/metrics/probes", nil))
	return w.Body.String()
}

// Probes are counted by result, and the counts go with their pod, not with another of its name.
func TestMetrics(t *testing.T) {
	p := newPatient(t)
	probers := New(nil, func(*v1.Pod, lifecycle.Event) {})
	pod := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "shop", UID: "1"}}
	c := &v1.Container{Name: "main", LivenessProbe: p.http("/live", 1, 1)}
	outcomes := make(chan bool, 10)
	begin := func(pod *v1.Pod) *Pod {
		running := probers.Pod(p.clock, func(_, _ string, success bool) { outcomes <- success })
		running.Sync(t.Context(), pod, p.ip, []lifecycle.Container{{Name: "main", ID: "x", State: lifecycle.Running, StartedAt: p.clock.Now()}},
			func(string) *v1.Container { return c }, func(id string) string { return id })
		return running
	}
	p.well["/live"].Store(true)
	first := begin(pod)
	if !<-outcomes {
		t.Fatal("a probe that is answered well failed")
	}
	p.well["/live"].Store(false)
	again := pod.DeepCopy()
	again.UID = "2"
	second := begin(again)
	if <-outcomes {
		t.Fatal("a probe that is answered badly succeeded")
	}
	good := `prober_probe_total{container="main",namespace="shop",pod="web",pod_uid="1",probe_type="Liveness",result="successful"} 1`
	bad := `prober_probe_total{container="main",namespace="shop",pod="web",pod_uid="2",probe_type="Liveness",result="failed"} 1`
	took := `prober_probe_duration_seconds_count{container="main",namespace="shop",pod="web",probe_type="Liveness"} 1`
	text := scrape(probers)
	for _, line := range []string{good, bad, took} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("%s is not in\n%s", line, text)
		}
	}
	first.Stop()
	if text := scrape(probers); strings.Contains(text, good) || strings.Contains(text, took) || !strings.Contains(text, bad) {
		t.Errorf("after the first pod's end:\n%s", text)
	}
	second.Stop()
	if text := scrape(probers); strings.Contains(text, "shop") {
		t.Errorf("after both pods' end:\n%s", text)
	}
}

// Nobody counts what is simulated.
func TestNoMetricsOfSimulated(t *testing.T) {
	ps := NewSimulated(nil, nil, nil)
	if ps.Metrics() != nil {
		t.Error("simulated probes have metrics")
	}
	pod := ps.Pod(newPatient(t).clock, nil)
	pod.tally.add(&v1.Pod{}, "c", Liveness, true, time.Second)
	pod.Stop()
}
