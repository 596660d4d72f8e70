package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/podling/podling/cluster"
)

// stopPatience is how long the page has to end.
const stopPatience = 20 * time.Second

// newUpCommand is `podling up`.
func newUpCommand() *cobra.Command {
	var options cluster.Options
	var endWithInput bool
	var background background
	page := upPage{}
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Bring a cluster up, and keep it up until interrupted",
		Long: `Bring a cluster up, and keep it up until interrupted: etcd, the API server, the scheduler and the
controllers in this process, and a node whose containers run in containerd, where Services have addresses
and names. With --runtime sim there are as many nodes as --nodes or --node-file says, whose containers only
exist in memory.

Each step is reported with the time it took. When all is ready, one line on standard output says
where the kubeconfig is. An interrupt (Ctrl-C, SIGTERM) ends everything in order, except that the
containers go on running and are found again by the next start; with --ephemeral nothing stays. A
second interrupt ends the process at once.

With --detach all that happens in the background, in a session of its own: podling up returns when the
cluster is ready, and podling down ends it.`,
		Example: `  podling up
  podling up --detach
  podling up --ephemeral --registry-mirror docker.io=http://127.0.0.1:5000
  podling up --runtime sim --nodes 100 --sim-profile flaky.yaml
  podling up --runtime sim --clock virtual
  podling up --runtime sim --ui
  podling up --pod-manifest-path /etc/kubernetes/manifests
  podling up --runtime none --data-dir ./data --listen 127.0.0.1:6443`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if background.detach {
				if options.Ephemeral {
					return usageError{errors.New("--ephemeral has no data folder by which podling down would find it, so it does not go with --detach")}
				}
				dir, err := options.DataFolder(false)
				if err != nil {
					return err
				}
				return background.start(cmd, dir, endWithInput)
			}
			background.begin()
			ctx, stop := untilTold(cmd, endWithInput)
			defer stop()
			return up(ctx, cmd, options, &page, background)
		},
	}
	options.AddFlags(cmd.Flags())
	addEndsWithInput(cmd, &endWithInput)
	background.addFlags(cmd)
	cmd.Flags().BoolVar(&page.wanted, "ui", false, "show the pods in a browser too: the page's address is printed (docs/ui.md)")
	addPortFlag(cmd, "ui-port", &page.port)
	return cmd
}

// up keeps a cluster up until ctx ends.
func up(ctx context.Context, cmd *cobra.Command, options cluster.Options, page *upPage, background background) error {
	began := time.Now()
	if err := page.listen(); err != nil {
		return err
	}
	options.Lacks = func(line string) { fmt.Fprintln(cmd.ErrOrStderr(), line) }
	c, err := cluster.Up(ctx, options, func(name string, took time.Duration) {
		fmt.Fprintf(cmd.ErrOrStderr(), "%-20s %6.2fs\n", name, took.Seconds())
	})
	if err != nil && ctx.Err() != nil {
		return errors.New("interrupted before the cluster was ready; what had started is stopped")
	}
	if err != nil {
		return err
	}
	ready := append([]string{"ready", "kubeconfig=" + c.Kubeconfig()}, nodesReady(c.NodeNames())...)
	if err := background.ready(cmd, fmt.Sprintf("%s after %.1fs", strings.Join(ready, " "), time.Since(began).Seconds())); err != nil {
		return errors.Join(err, stopCluster(ctx, c))
	}

	pageEnded := page.serve(ctx, cmd, c.Admin())
	select {
	case <-ctx.Done():
	case <-c.Done():
		err = c.Err()
	case <-pageEnded: // why, stop tells
	}
	endPodsIfAsked(ctx, c)
	return errors.Join(err, page.stop(), stopCluster(ctx, c))
}

// fewNodes is how many nodes are named in the line that says what is ready.
const fewNodes = 10

// nodesReady are the words by which the nodes are told of: each by its name, or many by their number.
func nodesReady(names []string) []string {
	if len(names) > fewNodes {
		return []string{fmt.Sprintf("nodes=%d", len(names))}
	}
	var words []string
	for _, name := range names {
		words = append(words, "node="+name)
	}
	return words
}

// stopCluster ends the cluster although ctx, which was interrupted, has ended.
func stopCluster(ctx context.Context, c *cluster.Cluster) error {
	return c.Stop(context.WithoutCancel(ctx))
}

// errWithPods is why a context ended if pods are to end too.
var errWithPods = errors.New("told to end, with all pods")

// endPodsIfAsked ends the pods in order if that is why ctx ended.
func endPodsIfAsked(ctx context.Context, of interface{ EndPods(context.Context) }) {
	if errors.Is(context.Cause(ctx), errWithPods) {
		of.EndPods(context.WithoutCancel(ctx))
	}
}

// interruptible is a context that ends with the first SIGINT or SIGTERM, or, with errWithPods as the
// cause, cluster.EndPodsSignal. A second SIGINT ends the process at once; a second SIGTERM does not, for
// some that send it send it to the process and to its group.
func interruptible(parent context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, cluster.EndPodsSignal)
	go func() {
		for interrupts := 0; ; {
			select {
			case s := <-signals:
				if s == os.Interrupt {
					interrupts++
				}
				if interrupts > 1 {
					os.Exit(130) // as a shell reports SIGINT
				}
				if s == cluster.EndPodsSignal {
					cancel(errWithPods)
				}
				cancel(nil)
			case <-parent.Done():
				return
			}
		}
	}()
	return ctx, func() { signal.Stop(signals); cancel(nil) }
}
