package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podling/podling/runtime/fault/remote"
)

// newFaultCommand is `podling fault`.
func newFaultCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "fault",
		Short: "Make calls to the container runtime fail, be slow or hang",
		Long: `Make calls that a node makes to its container runtime fail, be slow or hang, to see what Kubernetes
does then. A fault is in force until it is removed or the node ends: none outlives podling.

A pod can bring faults of its own in its annotation podling.dev/faults, a YAML list of the same
fields (examples/reasons/ImageInspectError.yaml).`,
		Example: `  podling fault add PullImage --image 'busybox*' --error 'denied' --count 3
  podling fault add RuntimeDown
  podling fault list
  podling fault remove RuntimeDown-2`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newFaultAddCommand(), newFaultListCommand(), newFaultRemoveCommand())
	for _, verb := range cmd.Commands() {
		markUsageErrors(verb)
	}
	return cmd
}

// faultOptions are what the verbs have in common: where the node is, and how to print.
type faultOptions struct {
	access       access
	node, output string
}

func (o *faultOptions) addFlags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&o.access.kubeconfig, "kubeconfig", "", "the cluster's kubeconfig (default: podling's own, else the environment's)")
	flags.StringVar(&o.access.context, "context", "", "the kubeconfig's context to use")
	flags.StringVar(&o.node, "node", "", "the node whose runtime it is (default: the only one there is)")
	flags.StringVarP(&o.output, "output", "o", outputText, "text or json")
	completeWith(cmd, "output", outputText, outputJSON)
}

// faults are those of the node that the flags name.
func (o *faultOptions) faults(ctx context.Context, cmd *cobra.Command) (remote.Node, error) {
	if o.output != outputText && o.output != outputJSON {
		return remote.Node{}, usageError{fmt.Errorf("--output %q is not known: it is %s or %s", o.output, outputText, outputJSON)}
	}
	own, err := ownKubeconfig()
	if err != nil {
		return remote.Node{}, err
	}
	t, err := o.access.connect(ctx, cmd, own)
	if err != nil {
		return remote.Node{}, err
	}
	name := o.node
	if name == "" {
		nodes, err := t.client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
		if err != nil {
			return remote.Node{}, fmt.Errorf("which nodes there are: %w", err)
		}
		var names []string
		for _, node := range nodes.Items {
			names = append(names, node.Name)
		}
		if len(names) != 1 {
			return remote.Node{}, usageError{fmt.Errorf("there are %d nodes: name one with --node (%s)", len(names), strings.Join(names, ", "))}
		}
		name = names[0]
	}
	return remote.Of(t.client.CoreV1().RESTClient(), name), nil
}

// printJSON prints v over several lines, as kubectl does.
func printJSON(out io.Writer, v any) error {
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "    ")
	return e.Encode(v)
}
