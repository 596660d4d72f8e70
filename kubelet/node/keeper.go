package node

import (
	"context"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
)

const (
	// manyNodes is from how many nodes on their leases are renewed half as often, renewManyEvery: what
	// an idle cluster writes is its leases. A node counts as gone 50 s after its last sign of life
	// (upstream's node-monitor-grace-period).
	manyNodes      = 100
	renewManyEvery = 20 * time.Second
	// renewers renew leases side by side.
	renewers = 4
)

// Keeper does for the many simulated nodes of one process what each real one does for itself: it
// renews their leases, spread over time, and follows all Nodes by one watch.
type Keeper struct {
	client kubernetes.Interface
	grace  time.Duration          // Config's
	silent func(node string) bool // its lease is not renewed

	mu      sync.Mutex
	nodes   map[string]*Node
	order   []string // in which their leases are renewed
	leases  map[string]*coordinationv1.Lease
	machine func() (machine, error) // that all of them pretend to run on
}

// NewKeeper gives a keeper of nodes that are made with it in their Config. The client may write all
// of them. A silent node gives no sign of life.
func NewKeeper(client kubernetes.Interface, rootDir string, grace time.Duration, silent func(node string) bool) *Keeper {
	return &Keeper{
		client: client, grace: grace, silent: silent, nodes: map[string]*Node{}, leases: map[string]*coordinationv1.Lease{},
		machine: sync.OnceValues(func() (machine, error) { return inspect("/", rootDir) }),
	}
}

// keep takes a node in that is registered.
func (k *Keeper) keep(n *Node) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.nodes[n.cfg.Name] = n
	k.order = append(k.order, n.cfg.Name)
}

// Run keeps the nodes until ctx ends.
func (k *Keeper) Run(ctx context.Context) {
	var parts sync.WaitGroup
	defer parts.Wait()
	parts.Go(func() { k.watch(ctx) })
	due := make(chan string)
	for range renewers {
		parts.Go(func() {
			for name := range due {
				if err := k.renew(ctx, name); err != nil && ctx.Err() == nil {
					klog.FromContext(ctx).V(1).Info("The lease of a node is not renewed; it is tried again next time", "node", name, "err", err)
				}
			}
		})
	}
	defer close(due)
	for at := 0; ; at++ {
		name, pause := k.next(at)
		if name != "" {
			select {
			case due <- name:
			case <-ctx.Done():
				return
			}
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
	}
}

// next is whose lease comes at that turn, and how long it is until the next turn.
func (k *Keeper) next(at int) (name string, pause time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	n := len(k.order)
	switch {
	case n == 0:
		return "", firstPause
	case len(k.leases) < n: // a new node's first one is due
		return k.order[len(k.leases)], 0
	case n < manyNodes || k.grace > 0:
		return k.order[at%n], renewal(k.grace) / time.Duration(n)
	}
	return k.order[at%n], renewManyEvery / time.Duration(n)
}

// renew gives a sign of life for the node.
func (k *Keeper) renew(ctx context.Context, name string) error {
	k.mu.Lock()
	n, lease := k.nodes[name], k.leases[name]
	if lease == nil {
		k.leases[name] = &coordinationv1.Lease{} // it is being made
	}
	k.mu.Unlock()
	if k.silent(name) {
		return nil
	}
	leases := k.client.CoordinationV1().Leases(v1.NamespaceNodeLease)
	now := metav1.NowMicro()
	if lease != nil && lease.Name != "" {
		lease = lease.DeepCopy()
		lease.Spec.RenewTime = &now
		renewed, err := leases.Update(ctx, lease, metav1.UpdateOptions{})
		switch {
		case err == nil:
			k.note(name, renewed)
			return nil
		case !apierrors.IsNotFound(err) && !apierrors.IsConflict(err):
			return err
		}
	}
	seconds := int32(leaseSeconds)
	made, err := leases.Create(ctx, &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: v1.NamespaceNodeLease, OwnerReferences: []metav1.OwnerReference{
			{APIVersion: "v1", Kind: "Node", Name: name, UID: n.Object().UID}}},
		Spec: coordinationv1.LeaseSpec{HolderIdentity: &name, LeaseDurationSeconds: &seconds, RenewTime: &now},
	}, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) { // of an earlier process, or changed by somebody
		made, err = leases.Get(ctx, name, metav1.GetOptions{})
	}
	if err != nil {
		return err
	}
	k.note(name, made)
	return nil
}

func (k *Keeper) note(name string, lease *coordinationv1.Lease) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.leases[name] = lease
}

// watch hands each Node that others changed to the node that it is.
func (k *Keeper) watch(ctx context.Context) {
	source := cache.NewListWatchFromClient(k.client.CoreV1().RESTClient(), "nodes", "", fields.Everything())
	changed := func(object any) {
		node, ok := object.(*v1.Node)
		if !ok {
			return
		}
		k.mu.Lock()
		n := k.nodes[node.Name]
		k.mu.Unlock()
		if n != nil && n.younger(node) {
			signal(n.wake)
		}
	}
	_, informer := cache.NewInformerWithOptions(cache.InformerOptions{
		ListerWatcher: source,
		ObjectType:    &v1.Node{},
		Handler: cache.ResourceEventHandlerFuncs{
			AddFunc:    changed,
			UpdateFunc: func(_, object any) { changed(object) },
		},
	})
	informer.RunWithContext(ctx)
}
