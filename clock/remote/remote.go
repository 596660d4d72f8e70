// Package remote reaches the clock of a node through the API server, so that any
// kubeconfig of the cluster will do whose user may use nodes/proxy. `podling clock`
// works with it, and so does podlingtest.
package remote

import (
	"context"
	"encoding/json"
	"time"

	"k8s.io/client-go/rest"

	"github.com/podling/podling/clock"
	"github.com/podling/podling/nodeproxy"
)

// Path is where a node serves its clock: GET shows it, and POST to what is below
// moves a virtual one.
const Path = "/podling/clock"

// What is below Path.
const (
	Advance = "advance" // with a Step
	Pause   = "pause"
	Resume  = "resume"
)

// State is what a node's clock shows of itself.
type State struct {
	clock.State
	// Virtual: it is one of podling's own. The machine's has nothing but Now.
	Virtual bool `json:"virtual"`
}

// MarshalJSON leaves out what the machine's clock does not have.
func (s State) MarshalJSON() ([]byte, error) {
	if !s.Virtual {
		return json.Marshal(struct {
			Now     time.Time `json:"now"`
			Virtual bool      `json:"virtual"`
		}{s.Now, false})
	}
	type plain State
	return json.Marshal(plain(s))
}

// Step is how far a clock is moved on.
type Step struct {
	By string `json:"by"` // as Go writes durations: 90s, 10m
}

// Node is a node whose clock is reached.
type Node struct{ path nodeproxy.Path }

// Of gives the clock of the node. client is one for the API's core group, such as
// Clientset.CoreV1().RESTClient().
func Of(client rest.Interface, node string) Node {
	return Node{nodeproxy.Of(client, node, Path, "clock")}
}

// State is the clock's.
func (n Node) State(ctx context.Context) (State, error) {
	var out State
	err := n.path.Get(ctx, &out)
	return out, err
}

// Advance moves a virtual clock on by d, through all that is to happen meanwhile,
// and returns when that is over.
func (n Node) Advance(ctx context.Context, d time.Duration) (State, error) {
	return n.post(ctx, Advance, Step{By: d.String()})
}

// Pause keeps a virtual clock from jumping by itself.
func (n Node) Pause(ctx context.Context) (State, error) { return n.post(ctx, Pause, nil) }

// Resume lets it jump again whenever nothing is under way.
func (n Node) Resume(ctx context.Context) (State, error) { return n.post(ctx, Resume, nil) }

func (n Node) post(ctx context.Context, verb string, in any) (State, error) {
	var out State
	err := n.path.Post(ctx, verb, in, &out)
	return out, err
}
