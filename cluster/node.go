package cluster

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"

	"github.com/podling/podling/controlplane"
	"github.com/podling/podling/kubelet"
	"github.com/podling/podling/kubelet/credentials"
	"github.com/podling/podling/kubelet/worker"
)

const (
	// nodePort is the kubelet's usual port, used when it is free.
	nodePort = "10250"
	// nodeReady is how long a node has to become Ready, and nodeReadyMore how much longer each further
	// one makes it.
	nodeReady     = 60 * time.Second
	nodeReadyMore = 100 * time.Millisecond
)

// nodes are the cluster's, which run.
type nodes struct {
	names  []string
	clean  func() error          // removes what they leave behind, once their containers are gone
	empty  func(context.Context) // ends their pods in order; nil where containers only exist in memory
	cancel context.CancelFunc
	done   chan struct{}
	err    error // why they ended; read after done
}

// startNodes starts the cluster's node, or its simulated ones; none is Ready yet. decided, if set, is
// told of their decisions.
func startNodes(cp *controlplane.ControlPlane, r *containerRuntime, network *podNetwork, o Options, dir string, decided worker.Decided) (*nodes, error) {
	if o.Runtime == RuntimeSim {
		identity, err := cp.NodesIdentity([]net.IP{controlplane.HostIP()})
		if err != nil {
			return nil, err
		}
		return startFleet(identity, o, dir, decided)
	}
	identity, err := cp.NodeIdentity(o.NodeName, []net.IP{controlplane.HostIP()})
	if err != nil {
		return nil, err
	}
	return startNode(member{NodeIdentity: identity}, r, network, o, dir, decided)
}

// A member is who a node is in its cluster.
type member struct {
	controlplane.NodeIdentity
	renewed  func() *tls.Certificate // in place of ServingCert, as soon as it gives one; may be nil
	instance string                  // the data folder that the node has; "" in a cluster of its own
}

// startNode starts a node whose containers are real.
func startNode(as member, r *containerRuntime, network *podNetwork, o Options, dir string, decided worker.Decided) (*nodes, error) {
	name := o.NodeName
	taints, err := o.taints()
	if err != nil {
		return nil, err
	}
	reserved, err := o.reserved()
	if err != nil {
		return nil, err
	}
	config := kubelet.Config{
		NodeName:    name,
		NodeIP:      controlplane.HostIP(),
		Labels:      o.Labels,
		Taints:      taints,
		MaxPods:     o.MaxPods,
		Reserved:    reserved,
		NodeGrace:   o.NodeMonitorGracePeriod,
		Eviction:    o.Eviction,
		ImageGC:     o.ImageGC,
		Shutdown:    o.Shutdown.periods,
		RootDir:     filepath.Join(dir, "kubelet"),
		LogDir:      filepath.Join(dir, "log", "pods"),
		Client:      as.Config,
		Runtime:     r.service(),
		Images:      r.cri,
		ServingCert: as.ServingCert,
		Renewed:     as.renewed,
		ClientCAs:   as.ClientCAs,

		PodManifestPath: o.PodManifestPath,
		ClusterDNS:      network.dns,
		ClusterDomain:   clusterDomain,
		Decided:         decided,
	}
	if as.instance != "" {
		config.Annotations = map[string]string{credentials.InstanceAnnotation: as.instance}
	}
	k, err := onNodePort(func(address string) (*kubelet.Kubelet, error) {
		config.Listen = address
		return kubelet.New(config)
	})
	if err != nil {
		return nil, fmt.Errorf("node %s: %w", name, err)
	}
	n := runNodes([]string{name}, k.Run, k.RemoveCgroups)
	n.empty = k.Shutdown
	return n, nil
}

// onNodePort makes nodes that listen on the kubelet's usual port, or on another where that is taken:
// the API server learns it from the Node. They listen where the API server calls, and nowhere else.
func onNodePort[T any](make func(address string) (T, error)) (T, error) {
	ip := controlplane.HostIP().String()
	made, err := make(net.JoinHostPort(ip, nodePort))
	if errors.Is(err, syscall.EADDRINUSE) {
		return make(net.JoinHostPort(ip, "0"))
	}
	return made, err
}

// runNodes runs what these nodes are.
func runNodes(names []string, run func(context.Context) error, clean func() error) *nodes {
	ctx, cancel := context.WithCancel(context.Background())
	n := &nodes{names: names, clean: clean, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(n.done)
		n.err = run(ctx)
		if n.err == nil && ctx.Err() == nil {
			n.err = errors.New("it stopped by itself")
		}
	}()
	return n
}

// waitReady returns when all Node objects say Ready and pods may be put on them: until the node
// lifecycle controller has taken the taint away that every new node has, they would be shown as
// unschedulable first.
func (n *nodes) waitReady(ctx context.Context, client kubernetes.Interface) error {
	ctx, cancel := context.WithTimeout(ctx, nodeReady+time.Duration(len(n.names))*nodeReadyMore)
	defer cancel()
	n.cancelAtEnd(ctx, cancel)
	left := sets.New(n.names...)
	why := "it has not registered"
	which := fields.Everything()
	if len(n.names) == 1 { // a node may look at itself alone
		which = fields.OneTermEqualSelector(metav1.ObjectNameField, n.names[0])
	}
	source := cache.NewListWatchFromClient(client.CoreV1().RESTClient(), "nodes", "", which)
	_, err := watchtools.UntilWithSync(ctx, source, &corev1.Node{}, nil, func(event watch.Event) (bool, error) {
		object, ok := event.Object.(*corev1.Node)
		if !ok || event.Type == watch.Deleted {
			return false, nil
		}
		for _, condition := range object.Status.Conditions {
			if condition.Type != corev1.NodeReady || !left.Has(object.Name) {
				continue
			}
			why = condition.Message
			if condition.Status == corev1.ConditionTrue && !tainted(object) {
				left.Delete(object.Name)
			}
		}
		return left.Len() == 0, nil
	})
	if err == nil {
		return nil
	}
	name := sets.List(left)[0]
	select {
	case <-n.done:
		return fmt.Errorf("node %s ended while starting: %w", name, n.err)
	default:
	}
	if len(n.names) > 1 {
		return fmt.Errorf("%d of %d nodes are not ready, among them %s: %s (%w)", left.Len(), len(n.names), name, why, err)
	}
	return fmt.Errorf("node %s is not ready: %s (%w)", name, why, err)
}

// cancelAtEnd has ctx end with the nodes.
func (n *nodes) cancelAtEnd(ctx context.Context, cancel context.CancelFunc) {
	go func() {
		select {
		case <-n.done:
			cancel()
		case <-ctx.Done():
		}
	}()
}

// endPods ends the pods of nodes whose containers are real, in order, until ctx ends; those that only
// exist in memory end with their nodes.
func (n *nodes) endPods(ctx context.Context) {
	if n == nil || n.empty == nil {
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	n.cancelAtEnd(ctx, cancel)
	n.empty(ctx)
}

// stop ends the nodes and leaves their containers running.
func (n *nodes) stop(ctx context.Context) error {
	n.cancel()
	select {
	case <-n.done:
		if n.err != nil && !errors.Is(n.err, context.Canceled) {
			return fmt.Errorf("node %s: %w", n.names[0], n.err)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stop node %s: %w", n.names[0], ctx.Err())
	}
}

// tainted: the node still has the taint of one that is not ready.
func tainted(object *corev1.Node) bool {
	return slices.ContainsFunc(object.Spec.Taints, func(t corev1.Taint) bool { return t.Key == corev1.TaintNodeNotReady })
}
