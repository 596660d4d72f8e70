// Package remote reaches the faults of a node through the API server, so that any
// kubeconfig of the cluster will do whose user may use nodes/proxy. `podling fault`
// works with it, and so does podlingtest.
package remote

import (
	"context"

	"k8s.io/client-go/rest"

	"github.com/podling/podling/nodeproxy"
	"github.com/podling/podling/runtime/fault/rule"
)

// Path is where a node serves its faults: GET lists them, POST adds one, DELETE
// with the name behind removes it.
const Path = "/podling/faults"

// Node is a node whose faults are reached.
type Node struct{ path nodeproxy.Path }

// Of gives the faults of the node. client is one for the API's core group, such
// as Clientset.CoreV1().RESTClient().
func Of(client rest.Interface, node string) Node {
	return Node{nodeproxy.Of(client, node, Path, "faults")}
}

// List gives the faults in force there.
func (n Node) List(ctx context.Context) ([]rule.Fault, error) {
	var out []rule.Fault
	err := n.path.Get(ctx, &out)
	return out, err
}

// Add puts a rule in force there and gives it with its name.
func (n Node) Add(ctx context.Context, r rule.Rule) (rule.Rule, error) {
	var out rule.Rule
	err := n.path.Post(ctx, "", r, &out)
	return out, err
}

// Remove takes the rule of that name out of force.
func (n Node) Remove(ctx context.Context, name string) error {
	return n.path.Delete(ctx, name)
}
