package main

import (
	"context"
	"errors"
	"fmt"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	v1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/podling/podling/cluster"
	"github.com/podling/podling/explain"
	"github.com/podling/podling/explain/gather"
	"github.com/podling/podling/manifest"
	"github.com/podling/podling/trace"
	"github.com/podling/podling/trial"
)

// newRunCommand is `podling run`.
func newRunCommand() *cobra.Command {
	var o runOptions
	cmd := &cobra.Command{
		Use:   "run FILE...",
		Short: "Apply manifests to a cluster of their own, and show what becomes of their pods",
		Long: `Apply manifests (- is standard input) to a cluster that is brought up for them alone, show each
watch event of their pods as it comes, and end when the pods are ready or have succeeded, or in the
state that --until names. What was applied is deleted then, which is shown too, and the cluster
leaves nothing behind (unless --data-dir keeps it).

Everything is checked before anything is applied: the files, the fields and, by a dry run, what the
API server would say. Only what is not there yet is made.

With --kubeconfig or --context the manifests go to the cluster that these name. A cluster that only
the environment names ($KUBECONFIG, ~/.kube/config) is never used.

The exit code is 0 if the state was reached, and 1 if it was not: because it could not be any more,
or not within --timeout.`,
		Example: `  podling run examples/busybox.yaml
  podling run --until completed job.yaml -o json
  podling run --image busybox.tar --timeout 30s - < pod.yaml
  podling run --kubeconfig ~/.kube/config --context test deployment.yaml --keep`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, files []string) error {
			// A reader that goes (`podling run … | head`) must not end this process before it has cleaned up.
			signal.Ignore(syscall.SIGPIPE)
			ctx, stop := interruptible(cmd.Context())
			defer stop()
			return o.run(ctx, cmd, files)
		},
	}
	flags := cmd.Flags()
	o.access.addFlags(flags, "use this kubeconfig's cluster instead of one of its own")
	flags.StringVar(&o.until, "until", "", "ready, running, succeeded, failed, completed (either) or deleted (by somebody else) (default: ready or succeeded)")
	flags.DurationVar(&o.timeout, "timeout", 5*time.Minute, "how long the pods have to get there")
	flags.BoolVar(&o.keep, "keep", false, "do not delete in the end what was applied")
	flags.DurationVar(&o.grace, "grace-period", time.Second, "how long the pods have to end by themselves when they are deleted; at least 1s")
	addOutputFlag(cmd, &o.output)
	completeWith(cmd, "until", trial.Goals...)

	o.own = pflag.NewFlagSet("cluster", pflag.ContinueOnError)
	o.cluster.AddFlags(o.own)
	o.own.VisitAll(func(f *pflag.Flag) {
		if flags.Lookup(f.Name) == nil { // --kubeconfig says where to read here, not where to write
			flags.AddFlag(f)
		}
	})
	return cmd
}

type runOptions struct {
	access         access
	cluster        cluster.Options
	own            *pflag.FlagSet // of the cluster that run brings up
	until          string
	timeout, grace time.Duration
	keep           bool
	output         string
}

func (o *runOptions) run(ctx context.Context, cmd *cobra.Command, files []string) error {
	goal, err := trial.ParseGoal(o.until)
	if err != nil {
		return usageError{fmt.Errorf("--until: %w", err)}
	}
	if o.grace < time.Second {
		return usageError{fmt.Errorf("--grace-period %v: the API knows whole seconds, from 1s on", o.grace)}
	}
	show, err := printer(cmd.OutOrStdout(), o.output)
	if err != nil {
		return err
	}
	docs, err := manifest.Read(files, cmd.InOrStdin())
	if err != nil {
		return err
	}
	status := newStatus(cmd.ErrOrStderr())
	defer status.stop()
	try := func(ctx context.Context, config *rest.Config, namespace string) error {
		client, err := manifest.NewClient(config, namespace)
		if err != nil {
			return err
		}
		pods, err := kubernetes.NewForConfig(config)
		if err != nil {
			return err
		}
		return trial.Run(ctx, trial.Options{
			Client: client, Pods: pods.CoreV1(), Documents: docs,
			Goal: goal, Timeout: o.timeout, Keep: o.keep, GracePeriod: o.grace,
			Show:  func(e trace.Event) error { return status.above(func() error { return show(e) }) },
			Note:  status.note,
			Doing: status.doing,
			Explain: func(ctx context.Context, pod *v1.Pod) string {
				return inShort(explain.Pod(gather.New(pods).World(ctx, pod)))
			},
		})
	}
	if o.access.kubeconfig != "" || o.access.context != "" {
		return o.there(ctx, cmd, try)
	}
	if err := manifest.Check(docs); err != nil {
		return err
	}
	return o.here(ctx, status, try)
}

// inShort is an explanation in a line: the cause, and the first thing to do.
func inShort(e explain.Explanation) string {
	text := fmt.Sprintf("%s/%s: %s", e.Namespace, e.Name, e.Verdict)
	if len(e.Fix) == 0 {
		return text
	}
	text += " To do: " + e.Fix[0].Text
	if command := e.Fix[0].Command; command != "" {
		text += ": " + command
	}
	return text
}

// there tries the manifests on the cluster that the flags name.
func (o *runOptions) there(ctx context.Context, cmd *cobra.Command, try func(context.Context, *rest.Config, string) error) error {
	var wrong error
	o.own.VisitAll(func(f *pflag.Flag) {
		if f.Changed && wrong == nil {
			wrong = usageError{fmt.Errorf("--%s is about the cluster that run brings up for itself, and does not go with --kubeconfig or --context", f.Name)}
		}
	})
	if wrong != nil {
		return wrong
	}
	t, err := o.access.connect(ctx, cmd, "")
	if err != nil {
		return err
	}
	return try(ctx, t.config, t.namespace)
}

// here tries the manifests on a cluster that is there for them alone.
func (o *runOptions) here(ctx context.Context, status *status, try func(context.Context, *rest.Config, string) error) (err error) {
	o.cluster.Ephemeral = o.cluster.Ephemeral || o.cluster.DataDir == ""
	status.doing("bringing a cluster up")
	o.cluster.Lacks = status.note
	c, err := cluster.Up(ctx, o.cluster, func(name string, took time.Duration) {
		status.note(fmt.Sprintf("%-20s %6.2fs", name, took.Seconds()))
	})
	if err != nil && ctx.Err() != nil {
		return errors.New("interrupted before the cluster was ready; what had started is stopped")
	}
	if err != nil {
		return err
	}
	defer func() {
		status.doing("stopping the cluster")
		err = errors.Join(err, stopCluster(ctx, c))
	}()
	if o.keep && o.cluster.Ephemeral {
		status.note("--keep: what is applied is not deleted, but the cluster ends with this command; use podling up, and run --kubeconfig, to have both stay")
	}
	trying, end := context.WithCancelCause(ctx)
	defer end(nil)
	go func() {
		select {
		case <-c.Done():
			end(fmt.Errorf("the cluster ended: %w", c.Err()))
		case <-trying.Done():
		}
	}()
	config := rest.CopyConfig(c.Admin())
	config.QPS = -1 // nobody else is to be considered
	namespace := o.access.namespace
	if namespace == "" {
		namespace = "default"
	}
	return try(trying, config, namespace)
}
