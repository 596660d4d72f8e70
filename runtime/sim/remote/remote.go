// Package remote reaches, through the API server, what the simulated containers of a
// node are said to do, so that any kubeconfig of the cluster will do whose user may
// use nodes/proxy. podlingtest works with it.
package remote

import (
	"context"
	"fmt"

	"k8s.io/client-go/rest"

	"github.com/podling/podling/nodeproxy"
	"github.com/podling/podling/runtime/sim/script"
)

// Path is where a node serves its profiles: GET lists them, POST adds one, DELETE
// with the name behind removes it.
const Path = "/podling/sim"

// Document is a profile as it is written in a file, and sent.
type Document struct {
	APIVersion string             `json:"apiVersion"`
	Kind       string             `json:"kind"`
	Metadata   Metadata           `json:"metadata"`
	Spec       script.ProfileSpec `json:"spec"`
}

// Metadata is a document's.
type Metadata struct {
	Name string `json:"name"`
}

// DocumentOf gives the profile as a document.
func DocumentOf(p script.Profile) Document {
	return Document{script.APIVersion, script.Kind, Metadata{p.Name}, p.ProfileSpec}
}

// Node is a node whose profiles are reached.
type Node struct{ path nodeproxy.Path }

// Of gives the profiles of the node. client is one for the API's core group, such
// as Clientset.CoreV1().RESTClient().
func Of(client rest.Interface, node string) Node {
	return Node{nodeproxy.Of(client, node, Path, "simulated containers")}
}

// List gives the profiles in force there, in their order.
func (n Node) List(ctx context.Context) ([]script.Profile, error) {
	var documents []Document
	if err := n.path.Get(ctx, &documents); err != nil {
		return nil, err
	}
	var out []script.Profile
	for _, d := range documents {
		p, err := script.NewProfile(d.Metadata.Name, d.Spec)
		if err != nil {
			return nil, fmt.Errorf("a profile of another version of podling: %w", err)
		}
		out = append(out, p)
	}
	return out, nil
}

// Add puts a profile in force there.
func (n Node) Add(ctx context.Context, p script.Profile) error {
	return n.path.Post(ctx, "", DocumentOf(p), nil)
}

// Remove takes the profile of that name out of force.
func (n Node) Remove(ctx context.Context, name string) error {
	return n.path.Delete(ctx, name)
}
