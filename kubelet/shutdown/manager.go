package shutdown

import (
	"context"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"

	"github.com/podling/podling/lifecycle"
)

// Upstream's words.
const (
	terminated = "Terminated"
	message    = "Pod was terminated in response to imminent node shutdown."

	nodeShutdown = "NodeShutdown" // of a pod that is refused
	refusal      = "Pod was rejected as the node is shutting down."
	shutdown     = "Shutdown" // of the node's Events
	detected     = "Shutdown manager detected shutdown event"
	cancelled    = "Shutdown manager detected shutdown cancellation"
)

// Node is what the manager knows and does the node with.
type Node struct {
	// Pods are those that the node has taken and that are not over.
	Pods func() []*v1.Pod
	// Evict ends a pod. What it gives is closed when nothing of the pod is left but its record.
	Evict func(*v1.Pod, lifecycle.Eviction) (gone <-chan struct{})
	// Event records something ordinary about the node.
	Event func(reason, message string)
	// Ending is told whether the node is shutting down, before any pod ends.
	Ending func(bool)
	Clock  clock.Clock
}

// Manager ends the pods of one node. Its methods may be called from any goroutine, but for Run, which
// is for one.
type Manager struct {
	node    Node
	periods Periods // in order; empty: the machine's shutdown is not watched for
	bus     func() (logind, error)

	turn   sync.Mutex // held while pods end
	mu     sync.Mutex
	ending bool
}

// New makes a manager. The error says what is wrong with the periods.
func New(periods Periods, node Node) (*Manager, error) {
	periods, err := periods.Check()
	if err != nil {
		return nil, err
	}
	return &Manager{node: node, periods: periods, bus: systemBus}, nil
}

// Admit says why a node that is shutting down does not take the pod; nil if it is not.
func (m *Manager) Admit(*v1.Pod) *lifecycle.Rejection {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.ending {
		return nil
	}
	return &lifecycle.Rejection{Reason: nodeShutdown, Message: refusal}
}

// Ended says whether a pod's status tells that it ended because its node shut down.
func Ended(status *v1.PodStatus) bool {
	c := lifecycle.Condition(status, v1.DisruptionTarget)
	return c != nil && c.Status == v1.ConditionTrue && c.Message == message
}

// Shutdown has the node take no more pods, and ends those that it has: group by group, each once the
// one before is gone or has had its time. It returns when all have, or when ctx ends.
func (m *Manager) Shutdown(ctx context.Context) {
	m.turn.Lock()
	defer m.turn.Unlock()
	m.set(true, detected)
	periods := m.periods
	if len(periods) == 0 {
		periods = OnDemand
	}
	for _, g := range periods.groups(m.node.Pods()) {
		if m.end(ctx, g); ctx.Err() != nil {
			return
		}
	}
}

// Cancel has the node take pods again: the machine does not shut down after all.
func (m *Manager) Cancel() { m.set(false, cancelled) }

func (m *Manager) set(ending bool, why string) {
	m.mu.Lock()
	changed := m.ending != ending
	m.ending = ending
	m.mu.Unlock()
	if changed {
		m.node.Ending(ending)
		m.node.Event(shutdown, why)
	}
}

// end ends the pods of a group, and waits until they are gone or their time is over.
func (m *Manager) end(ctx context.Context, g group) {
	over := m.node.Clock.NewTimer(time.Duration(g.grace) * time.Second)
	defer over.Stop()
	gone := make([]<-chan struct{}, len(g.pods))
	for i, pod := range g.pods {
		grace := g.graceOf(pod)
		gone[i] = m.node.Evict(pod, lifecycle.Eviction{Reason: terminated, Message: message, Grace: &grace, Condition: &v1.PodCondition{
			Type: v1.DisruptionTarget, Status: v1.ConditionTrue, ObservedGeneration: pod.Generation,
			Reason: v1.PodReasonTerminationByKubelet, Message: message,
		}})
	}
	for i, pod := range g.pods {
		select {
		case <-gone[i]:
		case <-over.C():
			klog.FromContext(ctx).Info("Pods are not gone in the time that they have before the node shuts down", "priority", g.priority, "first", klog.KObj(pod))
			return
		case <-ctx.Done():
			return
		}
	}
}
