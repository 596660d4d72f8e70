package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/podling/podling/trace"
)

// newTraceCommand is `podling trace`.
func newTraceCommand() *cobra.Command {
	var o traceOptions
	cmd := &cobra.Command{
		Use:   "trace [POD]",
		Short: "Show what happens to the pods of any cluster, as it happens",
		Long: `Show what happens to the pods of any cluster, as it happens: each watch event with the time since
the start and what it changed. Nothing in the cluster is changed. It ends with Ctrl-C.

The cluster is podling's own if one has been started here, and otherwise the one that kubectl would
talk to; --kubeconfig and --context name another.`,
		Example: `  podling trace
  podling trace busybox --record busybox.jsonl
  podling trace -A -l app=web -o json`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: o.completePods,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := interruptible(cmd.Context())
			defer stop()
			return o.run(ctx, cmd, args)
		},
	}
	o.access.addFlags(cmd.Flags(), "the cluster's kubeconfig (default: podling's own, else the environment's)")
	cmd.Flags().BoolVarP(&o.all, "all-namespaces", "A", false, "the pods of all namespaces")
	cmd.Flags().StringVarP(&o.selector, "selector", "l", "", "only pods with these labels, for example app=web")
	cmd.Flags().StringVar(&o.record, "record", "", "also write the events to this file, to be read later (docs/recording.md)")
	addOutputFlag(cmd, &o.output)
	return cmd
}

type traceOptions struct {
	access           access
	all              bool
	selector, record string
	output           string
}

func (o *traceOptions) run(ctx context.Context, cmd *cobra.Command, args []string) error {
	show, err := printer(cmd.OutOrStdout(), o.output)
	if err != nil {
		return err
	}
	if _, err := labels.Parse(o.selector); err != nil {
		return usageError{fmt.Errorf("--selector %q: %w", o.selector, err)}
	}
	if o.all && (len(args) > 0 || o.access.namespace != "") {
		return usageError{errors.New("--all-namespaces does not go with a pod's name or --namespace")}
	}
	t, err := o.access.connectOwn(ctx, cmd)
	if err != nil {
		return err
	}
	tracer := &trace.Tracer{
		Pods:      t.client.CoreV1(),
		Namespace: t.namespace,
		Labels:    o.selector,
		Note:      func(text string) { fmt.Fprintln(cmd.ErrOrStderr(), text) },
	}
	if len(args) > 0 {
		tracer.Name = args[0]
	}
	if o.all {
		tracer.Namespace = ""
	}
	if o.record == "" {
		return follow(ctx, tracer, show)
	}
	file, err := os.OpenFile(o.record, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("--record: %w", err)
	}
	recorder := trace.NewRecorder(file)
	err = follow(ctx, tracer, func(e trace.Event) error { return errors.Join(show(e), recorder.Print(e)) })
	return errors.Join(err, file.Close())
}

// follow traces until ctx ends, or until an event cannot be printed.
func follow(ctx context.Context, tracer *trace.Tracer, show func(trace.Event) error) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	err := tracer.Run(ctx, func(e trace.Event) {
		if err := show(e); err != nil {
			stop(err)
		}
	})
	if err == nil {
		if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
			return cause
		}
	}
	return err
}

// The ways to print events.
const (
	outputText = "text"
	outputJSON = "json"
)

func addOutputFlag(cmd *cobra.Command, output *string) {
	cmd.Flags().StringVarP(output, "output", "o", outputText, "text, or json: one line an event")
	completeWith(cmd, "output", outputText, outputJSON)
}

// printer prints events in the way that --output says.
func printer(out io.Writer, output string) (func(trace.Event) error, error) {
	switch output {
	case outputText:
		return trace.NewPrinter(out).Print, nil
	case outputJSON:
		return trace.NewJSONPrinter(out).Print, nil
	}
	return nil, usageError{fmt.Errorf("--output %q is not known: it is %s or %s", output, outputText, outputJSON)}
}

// completePods completes names of pods.
func (o *traceOptions) completePods(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	t, err := o.access.connectOwn(cmd.Context(), cmd)
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	pods, err := t.client.CoreV1().Pods(t.namespace).List(cmd.Context(), metav1.ListOptions{})
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var names []string
	for _, pod := range pods.Items {
		names = append(names, pod.Name)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// completeWith completes a flag's value with one of values.
func completeWith(cmd *cobra.Command, flag string, values ...string) {
	if err := cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err) // there is no such flag, or it has been given values before
	}
}
