package probe

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/podling/podling/clock/clocktest"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/podling/podling/lifecycle"
)

// patient is a container that answers probes on a port of this machine, and what was
// found out about it.
type patient struct {
	*testing.T
	ip, port string
	well     map[string]*atomic.Bool // by path
	asked    chan string             // paths, as they are asked
	clock    clocktest.Clock
	outcomes chan string
	events   chan string
	pod      *Pod
	spec     v1.Container
}

func newPatient(t *testing.T) *patient {
	p := &patient{T: t, well: map[string]*atomic.Bool{}, asked: make(chan string, 100), outcomes: make(chan string, 100), events: make(chan string, 100)}
	for _, path := range []string{"/startup", "/live", "/ready"} {
		p.well[path] = &atomic.Bool{}
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !p.well[r.URL.Path].Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		p.asked <- r.URL.Path
	}))
	t.Cleanup(server.Close)
	at, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	p.ip, p.port, _ = strings.Cut(at.Host, ":")
	p.clock = clocktest.At(time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC))
	p.spec.Name = "main"
	probers := New(nil, func(_ *v1.Pod, e lifecycle.Event) { p.events <- e.Reason + " " + e.Message })
	p.pod = probers.Pod(p.clock, func(id, kind string, success bool) { p.outcomes <- fmt.Sprint(id, " ", kind, " ", success) })
	t.Cleanup(p.pod.Stop)
	return p
}

func (p *patient) http(path string, success, failure int32) *v1.Probe {
	port, err := strconv.Atoi(p.port)
	if err != nil {
		p.Fatal(err)
	}
	return &v1.Probe{PeriodSeconds: 10, TimeoutSeconds: 5, SuccessThreshold: success, FailureThreshold: failure,
		ProbeHandler: v1.ProbeHandler{HTTPGet: &v1.HTTPGetAction{Path: path, Port: intstr.FromInt(port), Scheme: v1.URISchemeHTTP}}}
}

func (p *patient) begin() {
	running := []lifecycle.Container{{ID: "rt://1", Name: "main", State: lifecycle.Running, StartedAt: p.clock.Now()}}
	p.pod.Sync(p.Context(), &v1.Pod{}, p.ip, running, func(string) *v1.Container { return &p.spec }, func(id string) string { return id })
}

// round lets one period pass, once that many probes wait for it.
func (p *patient) round(probes int) {
	p.Helper()
	p.idle(probes)
	p.clock.Step(10 * time.Second)
}

// idle waits until that many probes wait for their next turn.
func (p *patient) idle(probes int) {
	p.Helper()
	for deadline := time.Now().Add(10 * time.Second); p.clock.Waiters() != probes; {
		if time.Now().After(deadline) {
			p.Fatalf("%d probes wait for their turn, not %d", p.clock.Waiters(), probes)
		}
		time.Sleep(time.Millisecond)
	}
}

func (p *patient) told(want ...string) {
	p.Helper()
	for _, w := range want {
		select {
		case got := <-p.outcomes:
			if got != w {
				p.Errorf("told %q, want %q", got, w)
			}
		case <-time.After(10 * time.Second):
			p.Fatalf("not told %q", w)
		}
	}
	select {
	case more := <-p.outcomes:
		p.Errorf("told %q as well", more)
	default:
	}
}

func TestThresholds(t *testing.T) {
	p := newPatient(t)
	p.spec.ReadinessProbe = p.http("/ready", 2, 3)
	p.begin()
	p.idle(1)
	p.told() // one failure of three
	p.well["/ready"].Store(true)
	p.round(1)
	p.idle(1)
	p.told() // one success of two
	p.round(1)
	p.told("rt://1 Readiness true")
	p.well["/ready"].Store(false)
	for range 2 {
		p.round(1)
		p.idle(1)
		p.told()
	}
	p.round(1)
	p.told("rt://1 Readiness false")
}

func TestStartupFirst(t *testing.T) {
	p := newPatient(t)
	p.spec.StartupProbe, p.spec.LivenessProbe = p.http("/startup", 1, 3), p.http("/live", 1, 1)
	p.spec.LivenessProbe.InitialDelaySeconds = 5
	p.begin()
	p.idle(1)
	if got := <-p.asked; got != "/startup" {
		t.Errorf("asked %s first", got)
	}
	p.well["/startup"].Store(true)
	p.round(1)
	p.told("rt://1 Startup true", "rt://1 Liveness false") // what failed once is not asked again
	p.idle(0)
	if got := []string{<-p.asked, <-p.asked}; got[0] != "/startup" || got[1] != "/live" {
		t.Errorf("asked %v", got)
	}
}

// TestEnding: of a pod that ends, only readiness is still asked, and no command.
func TestEnding(t *testing.T) {
	p := newPatient(t)
	p.spec.LivenessProbe, p.spec.ReadinessProbe = p.http("/live", 1, 1), p.http("/ready", 1, 1)
	p.well["/live"].Store(true)
	p.well["/ready"].Store(true)
	p.begin()
	first := map[string]bool{<-p.outcomes: true, <-p.outcomes: true}
	if !first["rt://1 Liveness true"] || !first["rt://1 Readiness true"] {
		t.Fatalf("told %v", first)
	}
	p.idle(2)
	p.pod.Ending()
	p.idle(1)
	p.well["/live"].Store(false)
	p.well["/ready"].Store(false)
	p.round(1)
	p.told("rt://1 Readiness false")
}

func TestEndingCommand(t *testing.T) {
	p := newPatient(t)
	probe := &v1.Probe{TimeoutSeconds: 1, ProbeHandler: v1.ProbeHandler{Exec: &v1.ExecAction{Command: []string{"true"}}}}
	_, known := p.pod.probers.ask(context.Background(), Readiness, probe, target{pod: &v1.Pod{}, c: &p.spec, ending: true})
	const want = "Unhealthy Readiness probe errored and resulted in unknown state: rpc error: code = Canceled desc = context canceled"
	if got := <-p.events; known || got != want {
		t.Errorf("known %v, event %q, want %q", known, got, want)
	}
}

// TestBeat: a container that takes the place of one that failed is asked when that one
// would have been, not at once.
func TestBeat(t *testing.T) {
	p := newPatient(t)
	p.spec.LivenessProbe = p.http("/live", 1, 1)
	p.begin()
	p.told("rt://1 Liveness false")
	p.idle(0)
	p.clock.Step(7 * time.Second) // it takes so long to end
	again := []lifecycle.Container{{ID: "rt://2", Name: "main", State: lifecycle.Running, StartedAt: p.clock.Now()}}
	p.pod.Sync(p.Context(), &v1.Pod{}, p.ip, again, func(string) *v1.Container { return &p.spec }, func(id string) string { return id })
	p.idle(1)
	p.clock.Step(2999 * time.Millisecond)
	p.idle(1)
	p.told()
	p.clock.Step(time.Millisecond)
	p.told("rt://2 Liveness false")
}
