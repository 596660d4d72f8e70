package cluster

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"strconv"
	"syscall"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/podling/podling/controlplane"
	"github.com/podling/podling/kubelet"
)

// nodePort is where a node is reached; another port where that one is taken.
const nodePort = 10250

// node is a node that runs.
type node struct {
	name string
	end  context.CancelFunc
	done chan struct{}
	err  error // why it ended; read after done
}

// startNode starts the node, with its folders below dir. It runs until stop.
func startNode(plane *controlplane.ControlPlane, runtime *containerRuntime, name, dir string) (*node, error) {
	ip := controlplane.HostIP()
	identity, err := plane.NodeIdentity(name, []net.IP{ip})
	if err != nil {
		return nil, err
	}
	config := kubelet.Config{
		NodeName: name, NodeIP: ip,
		RootDir: filepath.Join(dir, "kubelet"), LogDir: filepath.Join(dir, "log", "pods"),
		Client: identity.Config, Runtime: runtime.cri, Images: runtime.cri,
		Listen: net.JoinHostPort("", strconv.Itoa(nodePort)), ServingCert: identity.ServingCert, ClientCAs: identity.ClientCAs,
	}
	k, err := kubelet.New(config)
	if errors.Is(err, syscall.EADDRINUSE) { // another node runs on this machine; the API server learns the port from the Node
		config.Listen = net.JoinHostPort("", "0")
		k, err = kubelet.New(config)
	}
	if err != nil {
		return nil, err
	}
	ctx, end := context.WithCancel(context.Background())
	n := &node{name: name, end: end, done: make(chan struct{})}
	go func() {
		defer close(n.done)
		n.err = k.Run(ctx)
	}()
	return n, nil
}

// waitReady waits until the cluster knows that the node is Ready, or the node has failed.
func (n *node) waitReady(ctx context.Context, client kubernetes.Interface) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case <-n.done:
			cancel(n.err)
		case <-ctx.Done():
		}
	}()
	err := waitFor(ctx, client, "nodes", "", n.name, &corev1.Node{}, func(node *corev1.Node) bool {
		for _, c := range node.Status.Conditions {
			if c.Type == corev1.NodeReady {
				return c.Status == corev1.ConditionTrue
			}
		}
		return false
	})
	if err != nil && context.Cause(ctx) != nil {
		return context.Cause(ctx)
	}
	return err
}

// stop ends the node; its containers go on.
func (n *node) stop(ctx context.Context) error {
	n.end()
	select {
	case <-n.done:
		return n.err
	case <-ctx.Done():
		return ctx.Err()
	}
}
