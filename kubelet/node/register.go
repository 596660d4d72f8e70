package node

import (
	"context"
	"time"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	corev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	nodeutil "k8s.io/component-helpers/node/util"
	"k8s.io/klog/v2"
)

const (
	// The pause after a write that failed doubles from the first to the last.
	firstPause = 100 * time.Millisecond
	lastPause  = 7 * time.Second
)

// register creates the Node, or takes over the one that is there, however long the API server takes
// to let it. It is false if ctx ended before.
func (n *Node) register(ctx context.Context) bool {
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		err := n.tryRegister(ctx)
		if err == nil {
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		klog.FromContext(ctx).Error(err, "The node cannot be registered yet", "node", n.cfg.Name)
		select {
		case <-ctx.Done():
			return false
		case <-time.After(pause):
		}
	}
}

func (n *Node) tryRegister(ctx context.Context) error {
	node := &v1.Node{ObjectMeta: metav1.ObjectMeta{Name: n.cfg.Name}}
	n.describe(node, time.Now())
	node.Spec.Taints = n.cfg.Taints
	created, err := n.cfg.Client.CoreV1().Nodes().Create(ctx, node, metav1.CreateOptions{})
	if err == nil {
		n.written(&v1.NodeStatus{}, created)
		return nil
	}
	if !apierrors.IsAlreadyExists(err) {
		return err
	}
	existing, err := n.cfg.Client.CoreV1().Nodes().Get(ctx, n.cfg.Name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	n.unschedulable = existing.Spec.Unschedulable
	return n.write(ctx, existing)
}

// write brings the Node from what it was to what it ought to be.
func (n *Node) write(ctx context.Context, old *v1.Node) error {
	node := old.DeepCopy()
	n.describe(node, time.Now())
	client := boundNodes{n.cfg.Client.CoreV1(), ctx}
	patched, _, err := nodeutil.PatchNodeStatus(client, types.NodeName(n.cfg.Name), old, node)
	if err != nil {
		return err
	}
	n.written(&old.Status, patched)
	return nil
}

// written notes what the API server has now and records what that is an event of.
func (n *Node) written(old *v1.NodeStatus, node *v1.Node) {
	n.reported = time.Now()
	n.mu.Lock()
	n.object = node
	n.mu.Unlock()
	for _, reason := range transitions(old, &node.Status) {
		n.statusEvent(reason)
	}
	if before, now := old.NodeInfo.BootID, node.Status.NodeInfo.BootID; before != "" && before != now {
		n.Event(v1.EventTypeWarning, "Rebooted", "Node "+n.cfg.Name+" has been rebooted, boot id: "+now)
	}
}

func (n *Node) statusEvent(reason string) {
	n.Event(v1.EventTypeNormal, reason, "Node "+n.cfg.Name+" status is now: "+reason)
}

// boundNodes gives upstream's PatchNodeStatus, which takes no context, one that ends.
type boundNodes struct {
	corev1.CoreV1Interface
	ctx context.Context
}

// Nodes is corev1.NodesGetter's.
func (b boundNodes) Nodes() corev1.NodeInterface {
	return boundNode{b.CoreV1Interface.Nodes(), b.ctx}
}

type boundNode struct {
	corev1.NodeInterface
	ctx context.Context
}

// Patch is corev1.NodeInterface's.
func (b boundNode) Patch(_ context.Context, name string, kind types.PatchType, data []byte, o metav1.PatchOptions, sub ...string) (*v1.Node, error) {
	return b.NodeInterface.Patch(b.ctx, name, kind, data, o, sub...)
}
