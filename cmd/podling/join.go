package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/podling/podling/cluster"
	"github.com/podling/podling/kubelet/credentials"
)

// newNodeCommand is `podling node`.
func newNodeCommand() *cobra.Command {
	var o joinOptions
	var endWithInput bool
	cmd := &cobra.Command{
		Use:   "node",
		Short: "Add a node, or simulated ones, to a cluster that runs already",
		Long: `Add a node to a cluster that runs already, podling's or any other of Kubernetes v1.34 or newer, and
keep it until interrupted. Its containers run in a containerd of its own, or in the container runtime
that --cri names, and go on running when it ends; the next start finds them again.

There are three ways in. The command that podling token create prints (--server, --token,
--ca-cert-hash) works for clusters of podling and of kubeadm. --bootstrap-kubeconfig takes a file whose
user may ask for a node's certificate, as upstream's kubelet does. Either way the node asks for a client
certificate of its own, keeps it in its data folder, and replaces it before it ends: the next start
needs --data-dir alone. With --kubeconfig the node is the user of that file: one of a node
(system:node:NAME in the group system:nodes), or one that may do what a node does.

The certificate of the node's port is asked for as well (signer kubernetes.io/kubelet-serving). podling's
cluster approves it; most others leave that to you. Until it is there, the node signs one itself.

With --runtime sim there are as many nodes as --nodes or --node-file says, whose containers only exist in
memory. Several such processes may share the work of one cluster, with nodes of different names. Their
kubeconfig's user has to be allowed to write nodes, leases, pods' statuses and Events.

With --detach the node runs in the background: podling node returns when it is ready, and podling down
--data-dir ends it. When nodes end, what the API server has of them and of their pods stays, as with nodes that lose power.`,
		Example: `  podling node --server https://192.0.2.1:6443 --token $TOKEN --ca-cert-hash $HASH
  podling node --bootstrap-kubeconfig B --node-name east --node-labels zone=east --register-with-taints dedicated=build:NoSchedule
  podling node --kubeconfig K --cri unix:///run/containerd/containerd.sock
  podling node --data-dir /var/lib/podling-node
  podling node --runtime sim --nodes 100 --kubeconfig ~/.kube/config`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.background.detach {
				if o.cluster.Runtime == cluster.RuntimeSim {
					return usageError{errors.New("simulated nodes have no data folder by which podling down would find them, so --runtime sim does not go with --detach")}
				}
				dir, err := o.cluster.DataFolder(true)
				if err != nil {
					return err
				}
				return o.background.start(cmd, dir, endWithInput)
			}
			o.background.begin()
			ctx, stop := untilTold(cmd, endWithInput)
			defer stop()
			return o.run(ctx, cmd)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.access.kubeconfig, "kubeconfig", "", "the kubeconfig of the cluster, whose user the node is (for simulated nodes the default is podling's own, else the environment's)")
	flags.StringVar(&o.access.context, "context", "", "the kubeconfig's context to use")
	flags.StringVar(&o.bootstrap, "bootstrap-kubeconfig", "", "a kubeconfig whose user may ask for a node's certificate")
	flags.StringVar(&o.invitation.Server, "server", "", "the API server's address, https://HOST:PORT, to join by a token")
	flags.StringVar(&o.invitation.Token, "token", "", "the bootstrap token to join by")
	flags.StringVar(&o.invitation.CACertHash, "ca-cert-hash", "", "the hash of the cluster's authority, sha256:HEX, by which the node knows it")
	o.cluster.AddFolderFlags(flags, "folder that keeps the node: its certificate, images, containers (default: /var/lib/podling-node)")
	o.cluster.AddNodesFlags(flags)
	o.cluster.AddMachineFlags(flags)
	addEndsWithInput(cmd, &endWithInput)
	o.background.addFlags(cmd)
	return cmd
}

type joinOptions struct {
	access     access
	bootstrap  string
	invitation credentials.Invitation
	cluster    cluster.Options
	background background
}

func (o *joinOptions) run(ctx context.Context, cmd *cobra.Command) error {
	join := o.real
	switch o.cluster.Runtime {
	case cluster.RuntimeSim:
		join = o.simulated
	case "", cluster.RuntimeContainerd:
		if o.cluster.Runtime == "" && os.Geteuid() != 0 {
			return errors.New("a node whose containers are real takes root: run this as root (sudo), or say --runtime sim for simulated ones")
		}
	default:
		return usageError{fmt.Errorf("--runtime %q: a node has containers, in %s or in %s", o.cluster.Runtime, cluster.RuntimeContainerd, cluster.RuntimeSim)}
	}
	began := time.Now()
	nodes, err := join(ctx, cmd, func(name string, took time.Duration) {
		fmt.Fprintf(cmd.ErrOrStderr(), "%-20s %6.2fs\n", name, took.Seconds())
	})
	if err != nil && ctx.Err() != nil {
		return errors.New("interrupted before the nodes were ready")
	}
	if err != nil {
		return err
	}
	line := fmt.Sprintf("%s after %.1fs", strings.Join(append([]string{"ready"}, nodesReady(nodes.NodeNames())...), " "), time.Since(began).Seconds())
	if err := o.background.ready(cmd, line); err != nil {
		return errors.Join(err, nodes.Stop(context.WithoutCancel(ctx)))
	}
	select {
	case <-ctx.Done():
	case <-nodes.Done():
		err = nodes.Err()
	}
	endPodsIfAsked(ctx, nodes)
	return errors.Join(err, nodes.Stop(context.WithoutCancel(ctx)))
}

func (o *joinOptions) simulated(ctx context.Context, cmd *cobra.Command, step cluster.Step) (*cluster.Joined, error) {
	if o.bootstrap != "" || o.invitation != (credentials.Invitation{}) || o.cluster.DataDir != "" {
		return nil, usageError{errors.New("simulated nodes join by --kubeconfig and keep nothing: leave out --server, --token, --ca-cert-hash, --bootstrap-kubeconfig and --data-dir")}
	}
	own, err := ownKubeconfig()
	if err != nil {
		return nil, err
	}
	t, err := o.access.connect(ctx, cmd, own)
	if err != nil {
		return nil, err
	}
	return cluster.Join(ctx, t.config, o.cluster, step)
}

func (o *joinOptions) real(ctx context.Context, cmd *cobra.Command, step cluster.Step) (*cluster.Joined, error) {
	way, err := o.way(ctx, cmd)
	if err != nil {
		return nil, err
	}
	return cluster.JoinNode(ctx, way, o.cluster, step, func(text string) { fmt.Fprintln(cmd.ErrOrStderr(), text) })
}

// way is how the flags say that the node comes to its cluster.
func (o *joinOptions) way(ctx context.Context, cmd *cobra.Command) (cluster.Way, error) {
	var said []string
	for _, flag := range []string{"--kubeconfig", "--bootstrap-kubeconfig", "--server"} {
		if cmd.Flags().Changed(strings.TrimPrefix(flag, "--")) {
			said = append(said, flag)
		}
	}
	if len(said) > 1 {
		return cluster.Way{}, usageError{fmt.Errorf("%s are different ways to join: say one of them", strings.Join(said, " and "))}
	}
	switch {
	case o.access.kubeconfig != "" || o.access.context != "":
		t, err := o.access.connect(ctx, cmd, "")
		if err != nil {
			return cluster.Way{}, err
		}
		return cluster.Way{Config: t.config}, nil
	case o.bootstrap != "":
		config, err := clientcmd.BuildConfigFromFlags("", o.bootstrap)
		if err != nil {
			return cluster.Way{}, fmt.Errorf("--bootstrap-kubeconfig %s: %w", o.bootstrap, err)
		}
		return cluster.Way{Bootstrap: config}, nil
	case o.invitation != (credentials.Invitation{}):
		if err := o.invitation.Check(); err != nil {
			return cluster.Way{}, usageError{fmt.Errorf("%w; `podling token create` prints the whole command", err)}
		}
		return cluster.Way{Invitation: &o.invitation}, nil
	}
	return cluster.Way{}, nil
}
