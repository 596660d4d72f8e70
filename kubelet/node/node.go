package node

import (
	"context"
	"net"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/record"
	internalapi "k8s.io/cri-api/pkg/apis"
)

// Config says which node this is and where its facts come from.
type Config struct {
	Name string
	// IPs are the node's addresses, the first its main one.
	IPs []net.IP
	// Labels are put on the node beside those that every node has, and before them.
	Labels map[string]string
	// Taints are those with which a Node is made; one that is there keeps its own.
	Taints []v1.Taint
	// Annotations are put on the node too.
	Annotations map[string]string
	// Client has the node's own identity.
	Client  kubernetes.Interface
	Runtime internalapi.RuntimeService
	Images  internalapi.ImageManagerService
	// Port is the node's own port.
	Port func() int32
	// RootDir is where pods' folders are: its file system is the node's ephemeral storage.
	RootDir string
	// Version is what the node says it is (kubeletVersion).
	Version string
	MaxPods int
	// Reserved, if set, is how much of the machine's capacity pods cannot have.
	Reserved func(capacity v1.ResourceList) v1.ResourceList
	// Grace is how long the node may be silent before it counts as gone; 0 is upstream's 50 s.
	Grace time.Duration
	// State, if set, is called with what the first look at the runtime showed, and whenever that
	// changes, before the change is reported.
	State    func(State)
	Recorder record.EventRecorder

	// Keeper keeps the node among many: it is simulated, and has neither a lease nor a watch of its
	// own, nor a look at the runtime but when RuntimeFailed says so.
	Keeper *Keeper
	// Capacity, for a simulated node, is what it has in place of the machine's.
	Capacity v1.ResourceList
}

// State is how the runtime is, in the words of the node's Ready condition; "" is well.
type State struct {
	RuntimeError, NetworkError string
}

// Node is this node's object.
type Node struct {
	cfg     Config
	ref     *v1.ObjectReference
	machine machine
	failed  chan struct{} // somebody's call to the runtime failed
	wake    chan struct{} // there may be something to report

	registered chan struct{} // closed once the API server has the node

	mu     sync.Mutex
	object *v1.Node // as the API server has it; nil until registered
	own    *v1.Node // as it would be registered; nil until the machine was looked at
	seen   seen

	// Of the reporting goroutine alone.
	reported      time.Time
	unschedulable bool
}

// seen is what the node reports and what changes while it runs.
type seen struct {
	runtime runtimeView
	images  []v1.ContainerImage
	short   []v1.NodeConditionType // the pressures there are
	ending  bool                   // its machine is about to shut down
}

// New makes a node that is not registered yet.
func New(cfg Config) *Node {
	return &Node{
		cfg: cfg,
		// The UID by which events about a node are found is its name (upstream's nodeRef).
		ref:    &v1.ObjectReference{APIVersion: "v1", Kind: "Node", Name: cfg.Name, UID: types.UID(cfg.Name)},
		failed: make(chan struct{}, 1),
		wake:   make(chan struct{}, 1),

		registered: make(chan struct{}),
	}
}

// Run registers the node and reports it until ctx ends. An API server or a runtime that is away is
// waited for; the error is for a machine that cannot be a node.
func (n *Node) Run(ctx context.Context) error {
	var err error
	machine := func() (machine, error) { return inspect("/", n.cfg.RootDir) }
	if n.cfg.Keeper != nil {
		machine = n.cfg.Keeper.machine
	}
	if n.machine, err = machine(); err != nil {
		return err
	}
	n.Event(v1.EventTypeNormal, "Starting", "Starting kubelet.")
	n.look(ctx)
	n.refresh(ctx)
	own := &v1.Node{ObjectMeta: metav1.ObjectMeta{Name: n.cfg.Name}}
	n.describe(own, time.Now())
	n.mu.Lock()
	n.own = own
	n.mu.Unlock()
	var parts sync.WaitGroup
	defer parts.Wait()
	parts.Go(func() { n.watchRuntime(ctx) })
	parts.Go(func() { n.watchImages(ctx) })
	if n.register(ctx) {
		close(n.registered)
		if n.cfg.Keeper != nil {
			n.cfg.Keeper.keep(n)
		} else {
			parts.Go(func() { n.watchObject(ctx) })
			parts.Go(func() { n.keepLease(ctx) })
		}
		n.report(ctx)
	}
	return nil
}

// RuntimeFailed says that a call to the runtime failed because the runtime is away: the node looks
// at once.
func (n *Node) RuntimeFailed(error) { signal(n.failed) }

// Registered waits until the API server has the node; false if ctx ended before.
func (n *Node) Registered(ctx context.Context) bool {
	select {
	case <-n.registered:
		return true
	case <-ctx.Done():
		return false
	}
}

// Short says what the node is short of: some of MemoryPressure, DiskPressure and PIDPressure. It is
// reported at once.
func (n *Node) Short(of []v1.NodeConditionType) { n.observe(func(s *seen) { s.short = of }) }

// Ending says whether the node's machine is about to shut down: then it is not Ready, which is reported
// at once.
func (n *Node) Ending(is bool) { n.observe(func(s *seen) { s.ending = is }) }

// Object is the Node as the API server has it, or nil if the node is not registered yet. It must not
// be changed.
func (n *Node) Object() *v1.Node {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.object
}

// Known is the Node as the API server has it, or, until it is registered, as this node would have it:
// what it has for pods is no secret of the API server's. It is nil before the node has looked at
// itself, and must not be changed.
func (n *Node) Known() *v1.Node {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.object == nil {
		return n.own
	}
	return n.object
}

// observe notes what was seen and has it reported.
func (n *Node) observe(note func(*seen)) {
	n.mu.Lock()
	note(&n.seen)
	n.mu.Unlock()
	signal(n.wake)
}

// Event records an event about the node.
func (n *Node) Event(kind, reason, message string) {
	n.cfg.Recorder.Event(n.ref, kind, reason, message)
}

// signal wakes whoever waits for c; a signal that is there already is enough.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
