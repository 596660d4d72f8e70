package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

// nodeOptions are what commands about one node have in common: where it is, and how to print.
type nodeOptions struct {
	access       access
	node, output string
}

func (o *nodeOptions) addFlags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&o.access.kubeconfig, "kubeconfig", "", "the cluster's kubeconfig (default: podling's own, else the environment's)")
	flags.StringVar(&o.access.context, "context", "", "the kubeconfig's context to use")
	flags.StringVar(&o.node, "node", "", "the node that is meant (default: the only one there is; simulated nodes are one)")
	flags.StringVarP(&o.output, "output", "o", outputText, "text or json")
	completeWith(cmd, "output", outputText, outputJSON)
}

// pick finds the node that the flags name, and a client for the API's core group.
func (o *nodeOptions) pick(ctx context.Context, cmd *cobra.Command) (rest.Interface, string, error) {
	if err := checkOutput(o.output); err != nil {
		return nil, "", err
	}
	own, err := ownKubeconfig()
	if err != nil {
		return nil, "", err
	}
	t, err := o.access.connect(ctx, cmd, own)
	if err != nil {
		return nil, "", err
	}
	name := o.node
	if name == "" {
		nodes, err := t.client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
		if err != nil {
			return nil, "", fmt.Errorf("which nodes there are: %w", err)
		}
		if name, err = only(nodes.Items); err != nil {
			return nil, "", err
		}
	}
	return t.client.CoreV1().RESTClient(), name, nil
}

// only is the one node there is, or one of several that share a port, as simulated ones do: what is
// said to one of these is said to all.
func only(nodes []v1.Node) (string, error) {
	if len(nodes) == 0 {
		return "", errors.New("there is no node: this cluster is a control plane alone")
	}
	at, ok := port(&nodes[0])
	for i := range nodes[1:] {
		if another, is := port(&nodes[i+1]); !ok || !is || another != at {
			return "", usageError{fmt.Errorf("there are %d nodes: name one with --node (%s)", len(nodes), names(nodes))}
		}
	}
	return nodes[0].Name, nil
}

// port is where the node itself is reached.
func port(node *v1.Node) (string, bool) {
	at := node.Status.DaemonEndpoints.KubeletEndpoint.Port
	for _, address := range node.Status.Addresses {
		if address.Type == v1.NodeInternalIP {
			return fmt.Sprintf("%s:%d", address.Address, at), at > 0
		}
	}
	return "", false
}

// mostNames is how many names a message holds.
const mostNames = 10

func names(nodes []v1.Node) string {
	var words []string
	for _, node := range nodes[:min(len(nodes), mostNames)] {
		words = append(words, node.Name)
	}
	if len(nodes) > mostNames {
		words = append(words, "…")
	}
	return strings.Join(words, ", ")
}

// printJSON prints v over several lines, as kubectl does.
func printJSON(out io.Writer, v any) error {
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "    ")
	return e.Encode(v)
}
