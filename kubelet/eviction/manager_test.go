package eviction

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	statsapi "k8s.io/kubelet/pkg/apis/stats/v1alpha1"
	"k8s.io/utils/clock"

	"github.com/podling/podling/kubelet/stats"
	"github.com/podling/podling/lifecycle"
)

// stubborn is a node whose one pod exceeds its limit and does not go.
type stubborn struct {
	began time.Time
	pod   *v1.Pod

	sync.Mutex
	gone    chan struct{}
	evicted []time.Duration // when it was told to go
	broken  bool            // the machine cannot be measured
}

func (s *stubborn) node() Node {
	return Node{
		Machine: func(context.Context) (stats.Machine, error) {
			s.Lock()
			defer s.Unlock()
			if s.broken {
				return stats.Machine{}, errors.New("no figures")
			}
			return stats.Machine{}, nil
		},
		Usage: func(context.Context, []*v1.Pod) (map[types.UID]statsapi.PodStats, error) {
			time.Sleep(100 * time.Millisecond) // a long walk
			return map[types.UID]statsapi.PodStats{s.pod.UID: {VolumeStats: []statsapi.VolumeStats{{Name: "v", FsStats: *disk(11)}}}}, nil
		},
		Pods: func() []*v1.Pod { return []*v1.Pod{s.pod} },
		Evict: func(*v1.Pod, lifecycle.Eviction) <-chan struct{} {
			s.Lock()
			defer s.Unlock()
			s.evicted = append(s.evicted, time.Since(s.began))
			return s.gone
		},
		Event: func(*v1.Pod, map[string]string, string, string) {},
		Short: func([]v1.NodeConditionType) {},
		Clock: clock.RealClock{},
	}
}

// told is when the pod was told to go, once all is quiet.
func (s *stubborn) told() []time.Duration {
	synctest.Wait()
	s.Lock()
	defer s.Unlock()
	return slices.Clone(s.evicted)
}

// set changes how it behaves.
func (s *stubborn) set(change func()) {
	s.Lock()
	defer s.Unlock()
	change()
}

func (s *stubborn) run(t *testing.T) {
	m, err := New(Config{}, s.node())
	if err != nil {
		t.Fatal(err)
	}
	s.began, s.gone = time.Now(), make(chan struct{})
	start(t, m)
}

// start runs a manager until the test ends.
func start(t *testing.T, m *Manager) {
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { m.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
}

// A pod that is slow to go is not told again, and is told again only if it comes back.
func TestSlowToGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stubborn{pod: podOf(t, `{volumes: [{name: v, emptyDir: {sizeLimit: 10Mi}}], containers: [{name: main}]}`)}
		s.run(t)
		time.Sleep(2 * goneLimit)
		if told := s.told(); len(told) != 1 {
			t.Fatalf("told to go after %v", told)
		}
		s.set(func() {
			close(s.gone)
			s.gone = make(chan struct{})
		})
		time.Sleep(5 * time.Second)
		if told := s.told(); len(told) != 2 {
			t.Errorf("told to go after %v, want twice", told)
		}
	})
}

// Measuring what pods use takes a small part of the time: 100 ms every 2 s.
func TestMeasuringIsCheap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stubborn{pod: podOf(t, `{volumes: [{name: v, emptyDir: {sizeLimit: 100Mi}}], containers: [{name: main}]}`)}
		var looks []time.Duration
		node := s.node()
		usage := node.Usage
		node.Usage = func(ctx context.Context, pods []*v1.Pod) (map[types.UID]statsapi.PodStats, error) {
			looks = append(looks, time.Since(s.began))
			return usage(ctx, pods)
		}
		m, err := New(Config{}, node)
		if err != nil {
			t.Fatal(err)
		}
		s.began = time.Now()
		start(t, m)
		time.Sleep(time.Minute)
		synctest.Wait()
		for i := range looks[1:] {
			if pause := looks[i+1] - looks[i]; pause < 2*time.Second || pause > 4*time.Second {
				t.Errorf("looked again after %v: %v", pause, looks)
			}
		}
		if len(looks) < 15 {
			t.Errorf("looked only %d times", len(looks))
		}
	})
}

// Without figures nothing is done, and the first that come are acted on.
func TestNoFigures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stubborn{broken: true, pod: podOf(t, `{volumes: [{name: v, emptyDir: {sizeLimit: 10Mi}}], containers: [{name: main}]}`)}
		s.run(t)
		time.Sleep(time.Minute)
		if told := s.told(); len(told) > 0 {
			t.Errorf("evicted without figures after %v", told)
		}
		s.set(func() { s.broken = false })
		time.Sleep(helpless + time.Second)
		if told := s.told(); len(told) != 1 {
			t.Errorf("evicted after %v", told)
		}
	})
}

// The conditions are told when they change, and outlast their cause.
func TestConditionsAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		free := uint64(1 << 30)
		working := uint64(1 << 30)
		var told [][]v1.NodeConditionType
		m, err := New(Config{}, Node{
			Machine: func(context.Context) (stats.Machine, error) {
				return stats.Machine{Memory: &statsapi.MemoryStats{AvailableBytes: &free, WorkingSetBytes: &working}}, nil
			},
			Short: func(of []v1.NodeConditionType) { told = append(told, of) },
			Clock: clock.RealClock{},
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, step := range []struct {
			after time.Duration
			free  uint64
			want  []v1.NodeConditionType
		}{
			{0, 1 << 30, nil},
			{time.Second, 99 << 20, []v1.NodeConditionType{v1.NodeMemoryPressure}},
			{time.Second, 101 << 20, []v1.NodeConditionType{v1.NodeMemoryPressure}},
			{DefaultTransition - 2*time.Second, 101 << 20, []v1.NodeConditionType{v1.NodeMemoryPressure}},
			{time.Second, 101 << 20, nil},
		} {
			time.Sleep(step.after)
			free = step.free
			if err := m.Measure(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := m.Conditions(); !slices.Equal(got, step.want) {
				t.Errorf("%v later, with %d free: %v, want %v", step.after, step.free, got, step.want)
			}
		}
		if len(told) != 2 || len(told[0]) != 1 || len(told[1]) != 0 {
			t.Errorf("told %v", told)
		}
	})
}

func TestReserved(t *testing.T) {
	m, err := New(Config{Hard: map[string]string{"memory.available": "10%", "nodefs.available": "1Gi", "imagefs.available": "2Gi"},
		Soft: map[string]string{"memory.available": "50%"}, SoftGrace: map[string]string{"memory.available": "1m"}}, Node{})
	if err != nil {
		t.Fatal(err)
	}
	capacity := podOf(t, `{containers: [{name: c, resources: {requests: {memory: 100Mi, ephemeral-storage: 10Gi, cpu: "2"}}}]}`).Spec.Containers[0].Resources.Requests
	got := m.Reserved(capacity)
	if len(got) != 2 || got.Memory().String() != "10Mi" || got.StorageEphemeral().String() != "1Gi" {
		t.Errorf("reserved: %v", got)
	}
}
