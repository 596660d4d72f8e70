package eviction

import (
	"context"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	statsapi "k8s.io/kubelet/pkg/apis/stats/v1alpha1"
	kubetypes "k8s.io/kubernetes/pkg/kubelet/types"
	"k8s.io/utils/clock"

	"github.com/podling/podling/kubelet/stats"
	"github.com/podling/podling/lifecycle"
)

// Evicted is the reason of a pod that was evicted, and of the Event that tells of it.
const Evicted = "Evicted"

const (
	// lookEvery is how long the manager waits between two looks. Upstream looks every ten seconds, at
	// figures that are up to a minute old.
	lookEvery = time.Second
	// limitsPart bounds the time that goes into measuring what pods use to one part in so many, and
	// limitsLatest the wait that comes of it (upstream's monitoring period).
	limitsPart   = 20
	limitsLatest = 10 * time.Second
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
	// Event records an Event about a pod, with annotations.
	Event func(pod *v1.Pod, annotations map[string]string, reason, message string)
	Clock clock.Clock
}

// Manager evicts pods from one node.
type Manager struct {
	node Node

	// Below: of the goroutine that runs it alone.
	limitsDue time.Time
	leaving   map[types.UID]<-chan struct{} // evicted, and perhaps not gone yet
}

// New makes a manager, to be started with Run.
func New(node Node) *Manager {
	return &Manager{node: node, leaving: map[types.UID]<-chan struct{}{}}
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

// look measures, evicts what has to go, and says how long to wait before the next look.
func (m *Manager) look(ctx context.Context) (evicted []types.UID, pause time.Duration) {
	m.forget()
	machine, err := m.node.Machine(ctx)
	if err != nil {
		klog.FromContext(ctx).Error(err, "What is free on the machine cannot be measured")
		return nil, lookEvery
	}
	return m.enforceLimits(ctx, machine.ImagesApart), lookEvery
}

// enforceLimits evicts the pods that exceed their limits on local storage.
func (m *Manager) enforceLimits(ctx context.Context, imagesApart bool) (evicted []types.UID) {
	began := m.node.Clock.Now()
	if began.Before(m.limitsDue) {
		return nil
	}
	var pods []*v1.Pod
	for _, pod := range m.node.Pods() {
		if limited(pod) && !kubetypes.IsCriticalPod(pod) && m.leaving[pod.UID] == nil && !starting(pod, began) {
			pods = append(pods, pod)
		}
	}
	if len(pods) == 0 {
		return nil
	}
	used, err := m.node.Usage(ctx, pods)
	if err != nil {
		klog.FromContext(ctx).V(1).Info("Some pods cannot be held to their limits on local storage now", "err", err)
	}
	for _, pod := range pods {
		s, known := used[pod.UID]
		if !known {
			continue
		}
		if message := excess(pod, s, imagesApart); message != "" {
			m.evict(pod, lifecycle.Eviction{Message: message}, nil, immediate)
			evicted = append(evicted, pod.UID)
		}
	}
	took := m.node.Clock.Since(began)
	m.limitsDue = m.node.Clock.Now().Add(min(limitsPart*took, limitsLatest))
	return evicted
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
