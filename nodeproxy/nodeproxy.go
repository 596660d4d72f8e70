// Package nodeproxy reaches what a podling node serves on its own port, through the
// API server, so that any kubeconfig of the cluster will do whose user may use
// nodes/proxy.
//
// It stands below the packages that each know one of the things served: a node's
// faults (runtime/fault/remote), its clock (clock/remote), what its simulated
// containers do (runtime/sim/remote).
package nodeproxy

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

// Path is one of a node's paths.
type Path struct {
	client rest.Interface
	node   string
	path   string
	what   string
}

// Of gives a path of the node, like /podling/faults. client is one for the API's
// core group, such as Clientset.CoreV1().RESTClient(). what is served there, for
// messages, in words that fit behind "has": faults.
func Of(client rest.Interface, node, path, what string) Path { return Path{client, node, path, what} }

// Get asks for what is at the path, and reads the answer into out.
func (p Path) Get(ctx context.Context, out any) error {
	return p.do(ctx, http.MethodGet, p.path, nil, out)
}

// Post sends in, and reads the answer into out; either may be nil. below is the
// rest of the path, "" for the path itself.
func (p Path) Post(ctx context.Context, below string, in, out any) error {
	path := p.path
	if below != "" {
		path += "/" + below
	}
	return p.do(ctx, http.MethodPost, path, in, out)
}

// Delete removes what is below the path under that name.
func (p Path) Delete(ctx context.Context, name string) error {
	if !segment(name) {
		return fmt.Errorf("%q is the name of nothing: want one without slashes", name)
	}
	return p.do(ctx, http.MethodDelete, p.path+"/"+name, nil, nil)
}

// segment: the name is one part of a path, and stays one.
func segment(name string) bool {
	return name != "" && name != "." && name != ".." && !strings.Contains(name, "/")
}

func (p Path) do(ctx context.Context, verb, path string, in, out any) error {
	if !segment(p.node) {
		return fmt.Errorf("%q is no node's name", p.node)
	}
	request := p.client.Verb(verb).AbsPath("/api/v1/nodes/" + p.node + "/proxy" + path) // which escapes it
	if in != nil {
		body, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("%s: %w", p.what, err)
		}
		request = request.SetHeader("Content-Type", "application/json").Body(body)
	}
	raw, err := request.Do(ctx).Raw()
	if err != nil {
		return p.refused(raw, err)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(raw, out); err != nil {
		return fmt.Errorf("node %s: its %s cannot be read: %w", p.node, p.what, err)
	}
	return nil
}

// refused is why the node, or the API server before it, refused: in their own
// words, which the client leaves out.
func (p Path) refused(body []byte, err error) error {
	var said metav1.Status
	switch {
	case json.Unmarshal(body, &said) == nil && said.Message != "":
		return fmt.Errorf("node %s: %s", p.node, said.Message)
	case apierrors.IsNotFound(err):
		return fmt.Errorf("node %s has no %s: it is not podling's", p.node, p.what)
	}
	return fmt.Errorf("node %s: %w", p.node, err)
}
