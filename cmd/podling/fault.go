package main

import (
	"context"

	"github.com/spf13/cobra"

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

// faultOptions are what the verbs have in common.
type faultOptions struct{ nodeOptions }

// faults are those of the node that the flags name.
func (o *faultOptions) faults(ctx context.Context, cmd *cobra.Command) (remote.Node, error) {
	client, node, err := o.pick(ctx, cmd)
	if err != nil {
		return remote.Node{}, err
	}
	return remote.Of(client, node), nil
}
