package eviction

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	goruntime "runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	statsapi "k8s.io/kubelet/pkg/apis/stats/v1alpha1"
	upstream "k8s.io/kubernetes/pkg/kubelet/eviction"
	api "k8s.io/kubernetes/pkg/kubelet/eviction/api"
	upstreamlifecycle "k8s.io/kubernetes/pkg/kubelet/lifecycle"
	"k8s.io/utils/clock"

	"github.com/podling/podling/kubelet/stats"
	"github.com/podling/podling/lifecycle"
)

// TestLikeUpstream lets upstream's manager and this one live through the same random times, side by
// side, and compares what they evict, why, with which grace and which events, what they reclaim, which
// conditions the node has, and which pods it takes.
func TestLikeUpstream(t *testing.T) {
	evictions := 0
	for seed := range uint64(400) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { evictions += sideBySide(t, rand.New(rand.NewPCG(seed, 1))) })
		})
	}
	if evictions < 400 {
		t.Errorf("only %d evictions: nothing was put to the test", evictions)
	}
}

func sideBySide(t *testing.T, lot *rand.Rand) (evictions int) {
	w := newWorld(lot)
	theirs := newTheirs(t, w)
	defer theirs.end()
	ours := newOurs(t, w)
	for range 15 {
		w.change()
		before := w.String()
		theirs.step()
		evicted, _ := ours.manager.look(t.Context())
		if !reflect.DeepEqual(ours.deeds, theirs.deeds) {
			t.Fatalf("%s\nupstream: %s\n    ours: %s", before, lines(theirs.deeds), lines(ours.deeds))
		}
		if len(evicted) != len(ours.evicted) {
			t.Fatalf("%d pods to be waited for, but %v evicted", len(evicted), ours.evicted)
		}
		evictions += len(evicted)
		for _, pod := range w.newcomers() {
			if got, want := describe(ours.manager.Admit(pod), len(ours.manager.Conditions())), theirs.admit(pod, len(ours.manager.Conditions())); got != want {
				t.Fatalf("%s\nadmission of %s: %s, upstream %s", before, pod.Name, got, want)
			}
		}
		w.remove(ours.evicted)
		ours.evicted, ours.deeds, theirs.deeds = nil, nil, nil
		ours.reclaimed, theirs.reclaimed = false, false
		time.Sleep(time.Duration(11+lot.IntN(200)) * time.Second)
	}
	return evictions
}

func lines(deeds []string) string { return "\n\t" + strings.Join(deeds, "\n\t") }

// theirs is upstream's manager, made to wait before each of its looks.
type theirs struct {
	world     *world
	deeds     []string
	reclaimed bool
	look      chan bool // false: no more
	manager   upstream.Manager
	handler   upstreamlifecycle.PodAdmitHandler
}

func newTheirs(t *testing.T, w *world) *theirs {
	r := &theirs{world: w, look: make(chan bool)}
	thresholds, err := upstream.ParseThresholdConfig(nil, w.config.Hard, w.config.Soft, w.config.SoftGrace, w.config.MinimumReclaim)
	if err != nil {
		t.Fatal(err)
	}
	kill := func(pod *v1.Pod, _ bool, grace *int64, change func(*v1.PodStatus)) error {
		var s v1.PodStatus
		change(&s)
		r.deeds = append(r.deeds, kill(pod, s.Reason, s.Message, *grace, s.Conditions))
		return nil
	}
	r.manager, r.handler = upstream.NewManager(r, upstream.Config{
		PressureTransitionPeriod: w.config.Transition, MaxPodGracePeriodSeconds: w.config.MaxPodGrace, Thresholds: thresholds,
	}, kill, r, r, recorder{&r.deeds}, &v1.ObjectReference{Kind: "Node"}, clock.RealClock{}, true)
	pods := func() []*v1.Pod {
		if !<-r.look {
			goruntime.Goexit() // upstream's loop has no end of its own
		}
		return slices.Clone(w.pods)
	}
	quiet := klog.NewContext(t.Context(), logr.Discard())
	r.manager.Start(quiet, r, pods, func(*v1.Pod) bool { return true }, 10*time.Second)
	synctest.Wait()
	return r
}

// step lets it look once.
func (r *theirs) step() {
	r.look <- true
	synctest.Wait()
}

func (r *theirs) end() {
	time.Sleep(time.Minute) // until it wants to look again
	r.look <- false
}

func (r *theirs) admit(pod *v1.Pod, conditions int) string {
	result := r.handler.Admit(&upstreamlifecycle.PodAdmitAttributes{Pod: pod})
	if result.Admit {
		return describe(nil, conditions)
	}
	return describe(&lifecycle.Rejection{Reason: result.Reason, Message: result.Message}, conditions)
}

// describe leaves the message out where upstream names several conditions, in any order.
func describe(no *lifecycle.Rejection, conditions int) string {
	switch {
	case no == nil:
		return "taken"
	case conditions > 1:
		return no.Reason
	}
	return no.Reason + " " + no.Message
}

func (r *theirs) Get(context.Context, bool) (*statsapi.Summary, error) {
	m := r.world.machine(r.reclaimed)
	s := &statsapi.Summary{Node: statsapi.NodeStats{Memory: m.Memory, Fs: m.Fs, Rlimit: m.Rlimit, Runtime: &statsapi.RuntimeStats{ImageFs: m.Images}}}
	for _, uid := range slices.Sorted(maps.Keys(r.world.used)) {
		s.Pods = append(s.Pods, r.world.used[uid])
	}
	return s, nil
}

func (r *theirs) GetCPUAndMemoryStats(context.Context) (*statsapi.Summary, error) {
	return r.Get(context.Background(), false)
}
func (r *theirs) HasDedicatedImageFs(context.Context) (bool, error)     { return r.world.apart, nil }
func (r *theirs) HasDedicatedContainerFs(context.Context) (bool, error) { return false, nil }
func (r *theirs) DeleteAllUnusedContainers(context.Context) error       { return nil }
func (r *theirs) DeleteUnusedImages(context.Context) error {
	r.reclaimed = true
	r.deeds = append(r.deeds, "reclaim")
	return nil
}

// recorder writes events down.
type recorder struct{ deeds *[]string }

func (r recorder) AnnotatedEventf(about runtime.Object, annotations map[string]string, _, reason, format string, args ...any) {
	name := "node"
	if pod, ok := about.(*v1.Pod); ok {
		name = pod.Name
	}
	*r.deeds = append(*r.deeds, event(name, annotations, reason, fmt.Sprintf(format, args...)))
}

func (r recorder) Event(about runtime.Object, kind, reason, message string) {
	r.AnnotatedEventf(about, nil, kind, reason, "%s", message)
}

func (r recorder) Eventf(about runtime.Object, kind, reason, format string, args ...any) {
	r.AnnotatedEventf(about, nil, kind, reason, format, args...)
}

func event(about string, annotations map[string]string, reason, message string) string {
	if len(annotations) == 0 {
		annotations = nil
	}
	return fmt.Sprintf("event %s %s %q %v", about, reason, message, annotations)
}

func kill(pod *v1.Pod, reason, message string, grace int64, conditions []v1.PodCondition) string {
	deed := fmt.Sprintf("kill %s %s %q within %d", pod.Name, reason, message, grace)
	for _, c := range conditions {
		deed += fmt.Sprintf(" %s=%s/%s %q", c.Type, c.Status, c.Reason, c.Message)
	}
	return deed
}

// ours is this package's manager in the same world.
type ours struct {
	world     *world
	deeds     []string
	evicted   []types.UID
	reclaimed bool
	manager   *Manager
}

func newOurs(t *testing.T, w *world) *ours {
	o := &ours{world: w}
	var err error
	o.manager, err = New(w.config, Node{
		Machine: func(context.Context) (stats.Machine, error) { return w.machine(o.reclaimed), nil },
		Usage: func(_ context.Context, pods []*v1.Pod) (map[types.UID]statsapi.PodStats, error) {
			return w.used, nil
		},
		Pods: func() []*v1.Pod { return slices.Clone(w.pods) },
		Evict: func(pod *v1.Pod, e lifecycle.Eviction) <-chan struct{} {
			var conditions []v1.PodCondition
			if e.Condition != nil {
				conditions = append(conditions, *e.Condition)
			}
			o.deeds = append(o.deeds, kill(pod, e.Reason, e.Message, *e.Grace, conditions))
			o.evicted = append(o.evicted, pod.UID)
			gone := make(chan struct{})
			close(gone)
			return gone
		},
		Reclaim: func(context.Context) error {
			o.reclaimed = true
			o.deeds = append(o.deeds, "reclaim")
			return nil
		},
		Event: func(pod *v1.Pod, annotations map[string]string, reason, message string) {
			name := "node"
			if pod != nil {
				name = pod.Name
			}
			o.deeds = append(o.deeds, event(name, annotations, reason, message))
		},
		Short: func([]v1.NodeConditionType) {},
		Clock: clock.RealClock{},
	})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// What upstream reads of thresholds, this reads, and what it refuses, this refuses.
func TestConfigLikeUpstream(t *testing.T) {
	lot := rand.New(rand.NewPCG(7, 7))
	words := []string{"100Mi", "0", "-1", "10%", "0%", "100%", "101%", "-5%", "1.5%", "0.0%", "x", "x%", "", "1e3", "5Gi", "0.5", "%"}
	durations := []string{"1m30s", "0s", "-1s", "soon", "", "90"}
	names := []string{"pid.free", "containerfs.available"}
	for _, s := range signals {
		names = append(names, string(s.name))
	}
	some := func(values []string) map[string]string {
		m := map[string]string{}
		for range lot.IntN(3) {
			m[names[lot.IntN(len(names))]] = values[lot.IntN(len(values))]
		}
		return m
	}
	good, bad := 0, 0
	for range 20000 {
		c := Config{Hard: some(words), Soft: some(words), SoftGrace: some(durations), MinimumReclaim: some(words)}
		want, refused := upstream.ParseThresholdConfig(nil, c.Hard, c.Soft, c.SoftGrace, c.MinimumReclaim)
		got, err := c.thresholds()
		if (err != nil) != (refused != nil) {
			t.Fatalf("%+v: %v, upstream: %v", c, err, refused)
		}
		if err != nil {
			bad++
			continue
		}
		good++
		want = slices.DeleteFunc(want, func(t api.Threshold) bool { return slices.Contains(unheeded, t.Signal) })
		if a, b := texts(got), upstreamTexts(want); !slices.Equal(a, b) {
			t.Fatalf("%+v:\n%v, upstream:\n%v", c, a, b)
		}
	}
	if good < 1000 || bad < 1000 {
		t.Errorf("%d good, %d bad: that is one-sided", good, bad)
	}
}

func texts(list []threshold) []string {
	var out []string
	for _, t := range list {
		out = append(out, fmt.Sprint(t.name, " ", valueText(t.value), " ", t.grace, " ", valueText(t.reclaim)))
	}
	slices.Sort(out)
	return out
}

func upstreamTexts(list []api.Threshold) []string {
	var out []string
	for _, t := range list {
		var reclaim api.ThresholdValue
		if t.MinReclaim != nil {
			reclaim = *t.MinReclaim
		}
		out = append(out, fmt.Sprint(t.Signal, " ", valueText(t.Value), " ", t.GracePeriod, " ", valueText(reclaim)))
	}
	slices.Sort(out)
	return out
}

func valueText(v api.ThresholdValue) string {
	if v.Quantity != nil {
		return v.Quantity.String()
	}
	return fmt.Sprint(v.Percentage)
}
