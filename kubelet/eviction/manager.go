package eviction

import (
	"context"
	"slices"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	statsapi "k8s.io/kubelet/pkg/apis/stats/v1alpha1"
	api "k8s.io/kubernetes/pkg/kubelet/eviction/api"
	kubetypes "k8s.io/kubernetes/pkg/kubelet/types"
	"k8s.io/utils/clock"

	"github.com/podling/podling/kubelet/stats"
	"github.com/podling/podling/lifecycle"
)

// Evicted is the reason of a pod that was evicted or refused, and of the Event that tells of it.
const Evicted = "Evicted"

const (
	// lookEvery is how long the manager waits between two looks. Upstream looks every ten seconds, at
	// figures that are up to a minute old.
	lookEvery = time.Second
	// helpless is how long it waits when nothing can be done: the node cannot be measured, or is short
	// of something and has nothing to give up (upstream's monitoring period).
	helpless = 10 * time.Second
	// measureLimit bounds the time that the runtime has to answer.
	measureLimit = 10 * time.Second
	// goneLimit is how long an evicted pod is waited for before the next look.
	goneLimit = 30 * time.Second
	// immediate is the grace period of a pod that has to go at once, in seconds (upstream's
	// immediateEvictionGracePeriodSeconds).
	immediate = 1
)

// Node is what the manager knows and does the node with.
type Node struct {
	// Machine measures what the machine has left.
	Machine func(context.Context) (stats.Machine, error)
	// Usage measures pods; with an error it may still give some of them.
	Usage func(context.Context, []*v1.Pod) (map[types.UID]statsapi.PodStats, error)
	// Pods are those that the node has taken and that are not over, as they are now.
	Pods func() []*v1.Pod
	// Evict ends a pod. What it gives is closed when nothing of the pod is left but its record.
	Evict func(*v1.Pod, lifecycle.Eviction) (gone <-chan struct{})
	// Reclaim frees disk without harm to a pod: dead containers, images that nobody uses.
	Reclaim func(context.Context) error
	// Event records a Warning about a pod, with annotations, or about the node if there is no pod.
	Event func(pod *v1.Pod, annotations map[string]string, reason, message string)
	// Short is told of the node's conditions when they change (see Conditions).
	Short func([]v1.NodeConditionType)
	Clock clock.Clock
}

// Manager evicts pods from one node. Its methods may be called from any goroutine, but for Run and
// Measure, which are for one.
type Manager struct {
	node        Node
	maxPodGrace int64

	mu         sync.Mutex
	conditions []v1.NodeConditionType

	// Below: of the goroutine that runs it alone.
	pressure  *pressure
	limitsDue time.Time
	leaving   map[types.UID]<-chan struct{} // evicted, and perhaps not gone yet
}

// New makes a manager, to be started with Run. The error says what is wrong with the configuration.
func New(config Config, node Node) (*Manager, error) {
	thresholds, err := config.thresholds()
	if err != nil {
		return nil, err
	}
	return &Manager{node: node, maxPodGrace: config.MaxPodGrace, pressure: newPressure(thresholds, config.WithDefaults().Transition),
		leaving: map[types.UID]<-chan struct{}{}}, nil
}

// Run watches over the node until ctx ends.
func (m *Manager) Run(ctx context.Context) {
	for ctx.Err() == nil {
		evicted, pause := m.look(ctx)
		m.await(ctx, evicted)
		select {
		case <-ctx.Done():
		case <-m.node.Clock.After(pause):
		}
	}
}

// view is what one look at the machine showed.
type view struct {
	machine stats.Machine
	signals map[api.Signal]amount
	due     []threshold
}

// Measure looks at the machine once, for the node's first conditions.
func (m *Manager) Measure(ctx context.Context) error {
	_, err := m.measure(ctx)
	return err
}

func (m *Manager) measure(ctx context.Context) (view, error) {
	ctx, cancel := context.WithTimeout(ctx, measureLimit)
	defer cancel()
	machine, err := m.node.Machine(ctx)
	if err != nil {
		return view{}, err
	}
	v := view{machine: machine, signals: observe(machine)}
	var conditions []v1.NodeConditionType
	v.due, conditions = m.pressure.note(v.signals, m.node.Clock.Now())
	m.mu.Lock()
	changed := !slices.Equal(conditions, m.conditions)
	m.conditions = conditions
	m.mu.Unlock()
	if changed {
		m.node.Short(conditions)
	}
	return v, nil
}

// look measures, evicts what has to go, and says how long to wait before the next look.
func (m *Manager) look(ctx context.Context) (evicted []types.UID, pause time.Duration) {
	m.forget()
	v, err := m.measure(ctx)
	if err != nil {
		klog.FromContext(ctx).Error(err, "What is free on the machine cannot be measured")
		return nil, helpless
	}
	if evicted := m.enforceLimits(ctx, v.machine.ImagesApart); len(evicted) > 0 || len(v.due) == 0 {
		return evicted, lookEvery // there may be enough once they are gone
	}
	return m.relieve(ctx, v)
}

// relieve does something about the first of the thresholds that are met.
func (m *Manager) relieve(ctx context.Context, v view) (evicted []types.UID, pause time.Duration) {
	logger := klog.FromContext(ctx)
	t := &v.due[0]
	logger.Info("The node is short of something", "signal", t.name, "available", v.signals[t.name].available)
	m.node.Event(nil, nil, "EvictionThresholdMet", "Attempting to reclaim "+string(t.resource))
	if reclaimable(t, v.machine.ImagesApart) {
		if err := m.node.Reclaim(ctx); err != nil {
			logger.Error(err, "Not everything that nobody uses could be removed")
		}
		if machine, err := m.node.Machine(ctx); err == nil && m.pressure.relieved(observe(machine)) {
			return nil, lookEvery
		}
	}
	pods := m.node.Pods()
	used, err := m.node.Usage(ctx, pods)
	if err != nil {
		logger.Error(err, "Some pods cannot be measured")
	}
	rank(pods, used, t.signal, v.machine.ImagesApart)
	for _, pod := range pods {
		if kubetypes.IsCriticalPod(pod) {
			continue
		}
		var s *statsapi.PodStats
		if u, known := used[pod.UID]; known {
			s = &u
		}
		message, annotations := explain(t, v.signals[t.name], pod, s)
		m.evict(pod, lifecycle.Eviction{Message: message, Condition: &v1.PodCondition{
			Type: v1.DisruptionTarget, Status: v1.ConditionTrue, ObservedGeneration: pod.Generation,
			Reason: v1.PodReasonTerminationByKubelet, Message: message,
		}}, annotations, m.grace(t, pod))
		return []types.UID{pod.UID}, lookEvery
	}
	logger.Info("No pod can be evicted from the node", "signal", t.name)
	return nil, helpless
}

// grace is how long the pod has to end, in seconds.
func (m *Manager) grace(t *threshold, pod *v1.Pod) int64 {
	switch {
	case t.hard:
		return immediate
	case pod.Spec.TerminationGracePeriodSeconds != nil:
		return min(m.maxPodGrace, *pod.Spec.TerminationGracePeriodSeconds)
	}
	return m.maxPodGrace
}

// reclaimable: what runs short can be freed without evicting pods.
func reclaimable(t *threshold, imagesApart bool) bool {
	return t.condition == v1.NodeDiskPressure && (!imagesApart || t.name == api.SignalImageFsAvailable || t.name == api.SignalImageFsInodesFree)
}

// evict has a pod ended within so many seconds, unless that is under way.
func (m *Manager) evict(pod *v1.Pod, e lifecycle.Eviction, annotations map[string]string, grace int64) {
	if m.leaving[pod.UID] != nil {
		return
	}
	e.Reason, e.Grace = Evicted, &grace
	m.node.Event(pod, annotations, Evicted, e.Message)
	m.leaving[pod.UID] = m.node.Evict(pod, e)
}

// await waits until the pods are gone, for a while.
func (m *Manager) await(ctx context.Context, pods []types.UID) {
	limit := m.node.Clock.After(goneLimit)
	for _, uid := range pods {
		select {
		case <-m.leaving[uid]:
		case <-limit:
			klog.FromContext(ctx).Info("A pod that was evicted is not gone yet", "uid", uid)
			return
		case <-ctx.Done():
			return
		}
	}
}

// forget the pods that are gone.
func (m *Manager) forget() {
	for uid, gone := range m.leaving {
		select {
		case <-gone:
			delete(m.leaving, uid)
		default:
		}
	}
}
