package node

import (
	"context"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/component-helpers/apimachinery/lease"
	"k8s.io/utils/clock"
)

const (
	// leaseSeconds is how long the node counts as alive after its last sign of life, renewEvery how
	// often it gives one (upstream's nodeLeaseDurationSeconds and a quarter of it).
	leaseSeconds = 40
	renewEvery   = 10 * time.Second
)

// renewal is how often a node gives a sign of life that counts as gone after so long a silence (0:
// upstream's 50 s, for which renewEvery is made).
func renewal(grace time.Duration) time.Duration {
	if grace == 0 {
		return renewEvery
	}
	return min(renewEvery, grace/5)
}

// keepLease renews the node's lease until ctx ends. The lease stays: it lapses by itself if the node
// does not come back.
func (n *Node) keepLease(ctx context.Context) {
	own := func(l *coordinationv1.Lease) error {
		if len(l.OwnerReferences) == 0 {
			l.OwnerReferences = []metav1.OwnerReference{{
				APIVersion: "v1", Kind: "Node", Name: n.cfg.Name, UID: n.Object().UID,
			}}
		}
		return nil
	}
	lease.NewController(clock.RealClock{}, n.cfg.Client, n.cfg.Name, leaseSeconds, nil, renewal(n.cfg.Grace),
		n.cfg.Name, v1.NamespaceNodeLease, own).Run(ctx)
}
