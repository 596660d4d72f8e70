package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/podling/podling/cluster"
)

// newNodeCommand is `podling node`.
func newNodeCommand() *cobra.Command {
	var o joinOptions
	var endWithInput bool
	cmd := &cobra.Command{
		Use:   "node",
		Short: "Add simulated nodes to a cluster that runs already",
		Long: `Add simulated nodes to a cluster that runs already, podling's or any other of Kubernetes v1.34 or
newer, and keep them until interrupted. Their containers only exist in memory. Several such processes
may share the work of one cluster, with nodes of different names (--node-name, --node-file).

The kubeconfig's user has to be allowed to write nodes, leases, pods' statuses and Events. When the
nodes end, what the API server has of them and of their pods stays, as with nodes that lose power.

Nodes whose containers are real, and that join with a token of their own, are not there yet.`,
		Example: `  podling node --runtime sim --nodes 100 --kubeconfig ~/.kube/config
  podling node --runtime sim --nodes 500 --node-name west --kubeconfig K`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := untilTold(cmd, endWithInput)
			defer stop()
			return o.run(ctx, cmd)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.access.kubeconfig, "kubeconfig", "", "the cluster's kubeconfig (default: podling's own, else the environment's)")
	flags.StringVar(&o.access.context, "context", "", "the kubeconfig's context to use")
	o.cluster.AddNodesFlags(flags)
	addEndsWithInput(cmd, &endWithInput)
	return cmd
}

type joinOptions struct {
	access  access
	cluster cluster.Options
}

func (o *joinOptions) run(ctx context.Context, cmd *cobra.Command) error {
	if o.cluster.Runtime != cluster.RuntimeSim {
		return fmt.Errorf("--runtime %q: only simulated nodes join a cluster so far: say --runtime sim", o.cluster.Runtime)
	}
	own, err := ownKubeconfig()
	if err != nil {
		return err
	}
	t, err := o.access.connect(ctx, cmd, own)
	if err != nil {
		return err
	}
	began := time.Now()
	nodes, err := cluster.Join(ctx, t.config, o.cluster, func(name string, took time.Duration) {
		fmt.Fprintf(cmd.ErrOrStderr(), "%-20s %6.2fs\n", name, took.Seconds())
	})
	if err != nil && ctx.Err() != nil {
		return errors.New("interrupted before the nodes were ready")
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%s after %.1fs\n", strings.Join(append([]string{"ready"}, nodesReady(nodes.NodeNames())...), " "), time.Since(began).Seconds())
	select {
	case <-ctx.Done():
	case <-nodes.Done():
		err = nodes.Err()
	}
	return errors.Join(err, nodes.Stop(context.WithoutCancel(ctx)))
}
