// Package remote reaches the faults of a node through the API server, so that any
// kubeconfig of the cluster will do whose user may use nodes/proxy. `podling fault`
// works with it, and so may tests.
package remote

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/podling/podling/runtime/fault"
)

// Path is where a node serves its faults: GET lists them, POST adds one, DELETE
// with the name behind removes it.
const Path = "/podling/faults"

// Node is a node whose faults are reached.
type Node struct {
	client rest.Interface
	name   string
}

// Of gives the faults of the node. client is one for the API's core group, such
// as Clientset.CoreV1().RESTClient().
func Of(client rest.Interface, node string) Node { return Node{client, node} }

// List gives the faults in force there.
func (n Node) List(ctx context.Context) ([]fault.Fault, error) {
	var out []fault.Fault
	return out, n.do(ctx, http.MethodGet, "", nil, &out)
}

// Add puts a rule in force there and gives it with its name.
func (n Node) Add(ctx context.Context, r fault.Rule) (fault.Rule, error) {
	var out fault.Rule
	return out, n.do(ctx, http.MethodPost, "", r, &out)
}

// Remove takes the rule of that name out of force.
func (n Node) Remove(ctx context.Context, name string) error {
	return n.do(ctx, http.MethodDelete, name, nil, nil)
}

func (n Node) do(ctx context.Context, verb, name string, in, out any) error {
	path := "/api/v1/nodes/" + url.PathEscape(n.name) + "/proxy" + Path
	if name != "" {
		path += "/" + url.PathEscape(name)
	}
	request := n.client.Verb(verb).AbsPath(path)
	if in != nil {
		body, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("the fault: %w", err)
		}
		request = request.SetHeader("Content-Type", "application/json").Body(body)
	}
	raw, err := request.Do(ctx).Raw()
	switch {
	case err != nil:
		return n.refused(raw, err)
	case out != nil:
		if err := json.Unmarshal(raw, out); err != nil {
			return fmt.Errorf("node %s answers with what is no fault: %w", n.name, err)
		}
	}
	return nil
}

// refused is why the node, or the API server before it, refused: in their own
// words, which the client leaves out.
func (n Node) refused(body []byte, err error) error {
	var said metav1.Status
	switch {
	case json.Unmarshal(body, &said) == nil && said.Message != "":
		return fmt.Errorf("node %s: %s", n.name, said.Message)
	case apierrors.IsNotFound(err):
		return fmt.Errorf("node %s has no faults: it is not podling's", n.name)
	}
	return fmt.Errorf("node %s: %w", n.name, err)
}
