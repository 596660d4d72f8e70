package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/podling/podling/controlplane"
	"github.com/podling/podling/kubelet"
)

const (
	// nodePort is the kubelet's usual port, used when it is free.
	nodePort = "10250"
	// nodeReady is how long a node has to become Ready.
	nodeReady = 60 * time.Second
)

// node is a node that runs.
type node struct {
	name   string
	node   *kubelet.Kubelet
	cancel context.CancelFunc
	done   chan struct{}
	err    error // why it ended; read after done
}

// startNode starts the node; it is not Ready yet.
func startNode(cp *controlplane.ControlPlane, r *containerRuntime, o Options, dir string) (*node, error) {
	name := o.NodeName
	ip := controlplane.HostIP()
	identity, err := cp.NodeIdentity(name, []net.IP{ip})
	if err != nil {
		return nil, err
	}
	config := kubelet.Config{
		NodeName:    name,
		NodeIP:      ip,
		MaxPods:     o.MaxPods,
		Eviction:    o.Eviction,
		RootDir:     filepath.Join(dir, "kubelet"),
		LogDir:      filepath.Join(dir, "log", "pods"),
		Client:      identity.Config,
		Runtime:     r.cri,
		Images:      r.cri,
		Listen:      net.JoinHostPort(ip.String(), nodePort), // where the API server calls, and nowhere else
		ServingCert: identity.ServingCert,
		ClientCAs:   identity.ClientCAs,

		PodManifestPath: o.PodManifestPath,
	}
	k, err := kubelet.New(config)
	if errors.Is(err, syscall.EADDRINUSE) { // the API server learns the port from the Node
		config.Listen = net.JoinHostPort(ip.String(), "0")
		k, err = kubelet.New(config)
	}
	if err != nil {
		return nil, fmt.Errorf("node %s: %w", name, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	n := &node{name: name, node: k, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(n.done)
		n.err = k.Run(ctx)
		if n.err == nil && ctx.Err() == nil {
			n.err = errors.New("it stopped by itself")
		}
	}()
	return n, nil
}

// waitReady returns when the Node object says Ready and pods may be put on it: until the node
// lifecycle controller has taken the taint away that every new node has, they would be shown as
// unschedulable first.
func (n *node) waitReady(ctx context.Context, client kubernetes.Interface) error {
	ctx, cancel := context.WithTimeout(ctx, nodeReady)
	defer cancel()
	go func() {
		select {
		case <-n.done:
			cancel()
		case <-ctx.Done():
		}
	}()
	why := "it has not registered"
	err := waitFor(ctx, client, "nodes", "", n.name, &corev1.Node{}, func(object *corev1.Node) bool {
		for _, condition := range object.Status.Conditions {
			if condition.Type == corev1.NodeReady {
				why = condition.Message
				return condition.Status == corev1.ConditionTrue && !tainted(object)
			}
		}
		return false
	})
	if err == nil {
		return nil
	}
	select {
	case <-n.done:
		return fmt.Errorf("node %s ended while starting: %w", n.name, n.err)
	default:
		return fmt.Errorf("node %s is not ready: %s (%w)", n.name, why, err)
	}
}

// stop ends the node and leaves its containers running.
func (n *node) stop(ctx context.Context) error {
	n.cancel()
	select {
	case <-n.done:
		if n.err != nil && !errors.Is(n.err, context.Canceled) {
			return fmt.Errorf("node %s: %w", n.name, n.err)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stop node %s: %w", n.name, ctx.Err())
	}
}

// tainted: the node still has the taint of one that is not ready.
func tainted(object *corev1.Node) bool {
	return slices.ContainsFunc(object.Spec.Taints, func(t corev1.Taint) bool { return t.Key == corev1.TaintNodeNotReady })
}
