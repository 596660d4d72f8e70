package node

import (
	"context"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
)

// reportEvery is how often a status is written that says nothing new (upstream's
// nodeStatusReportFrequency). That the node lives, its lease says.
const reportEvery = 5 * time.Minute

// report writes the status whenever it differs, until ctx ends.
func (n *Node) report(ctx context.Context) {
	pause := firstPause
	for {
		due := time.NewTimer(time.Until(n.reported.Add(reportEvery)))
		err := n.sync(ctx)
		if err != nil && ctx.Err() == nil {
			klog.FromContext(ctx).Error(err, "The node's status cannot be written yet", "node", n.cfg.Name)
			due.Reset(pause)
			pause = min(2*pause, lastPause)
		} else {
			pause = firstPause
		}
		select {
		case <-ctx.Done():
			due.Stop()
			return
		case <-n.wake:
			due.Stop()
		case <-due.C:
		}
	}
}

// sync writes the status if it differs or is due.
func (n *Node) sync(ctx context.Context) error {
	old := n.Object()
	if old.Spec.Unschedulable != n.unschedulable {
		n.unschedulable = old.Spec.Unschedulable
		reason := "NodeSchedulable"
		if n.unschedulable {
			reason = "NodeNotSchedulable"
		}
		n.statusEvent(reason)
	}
	node := old.DeepCopy()
	n.describe(node, time.Now())
	if !differs(&old.Status, &node.Status) && time.Since(n.reported) < reportEvery {
		return nil
	}
	return n.write(ctx, old)
}

// watchObject follows what others do to the Node (cordon it, find its lease lapsed), until ctx ends.
func (n *Node) watchObject(ctx context.Context) {
	follow(ctx, n.cfg.Client, fields.OneTermEqualSelector("metadata.name", n.cfg.Name), n.changed)
}

// changed takes the object from the API server.
func (n *Node) changed(node *v1.Node) {
	if n.younger(node) {
		signal(n.wake)
	}
}

// follow calls changed with each of the Nodes that is new or changed, until ctx ends.
func follow(ctx context.Context, client kubernetes.Interface, which fields.Selector, changed func(*v1.Node)) {
	told := func(object any) {
		if node, ok := object.(*v1.Node); ok {
			changed(node)
		}
	}
	_, informer := cache.NewInformerWithOptions(cache.InformerOptions{
		ListerWatcher: cache.NewListWatchFromClient(client.CoreV1().RESTClient(), "nodes", "", which),
		ObjectType:    &v1.Node{},
		Handler: cache.ResourceEventHandlerFuncs{
			AddFunc:    told,
			UpdateFunc: func(_, object any) { told(object) },
		},
	})
	informer.RunWithContext(ctx)
}

// younger takes the object over if it is younger than what is known, and says whether it is.
func (n *Node) younger(node *v1.Node) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	order, err := resourceversion.CompareResourceVersion(n.object.ResourceVersion, node.ResourceVersion)
	if err == nil && order >= 0 && n.object.UID == node.UID {
		return false
	}
	n.object = node
	return true
}
