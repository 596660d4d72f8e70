package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/component-base/version"

	"github.com/podling/podling/trace"
)

// newTraceCommand is `podling trace`.
func newTraceCommand() *cobra.Command {
	var o traceOptions
	cmd := &cobra.Command{
		Use:   "trace [POD...]",
		Short: "Show what happens to the pods of any cluster, as it happens",
		Long: `Show what happens to the pods of any cluster, as it happens: each watch event with the time since
the start and what it changed. Nothing in the cluster is changed, and its API server is asked for one
list and one watch of pods. It ends with Ctrl-C, or with --once when what is there has been shown.

--since tells what the pods and the Events say of the time before. --spans ends with a waterfall of
how long each step of the pods' way took: scheduling, sandbox, pull, start, readiness, termination.
Both add one list and one watch of Events, as --events does.

With --file a recording is shown instead of a cluster.

The cluster is podling's own if one has been started here, and otherwise the one that kubectl would
talk to; --kubeconfig and --context name another. A pod whose name is a command's is written pod/diff.`,
		Example: `  podling trace
  podling trace busybox --record busybox.jsonl
  podling trace web-0 web-1 --events --writers
  podling trace -A -l app=web -o json
  podling trace web-0 --since 10m --once
  podling trace web-0 --spans --once
  podling trace --file busybox.jsonl --spans --otlp http://127.0.0.1:4318`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: o.completePods,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := interruptible(cmd.Context())
			defer stop()
			return o.run(ctx, cmd, args)
		},
	}
	o.access.addFlags(cmd.Flags(), "the cluster's kubeconfig (default: podling's own, else the environment's)")
	o.addSelection(cmd)
	cmd.Flags().StringVar(&o.record, "record", "", "also write the events to this file, to be read later (docs/recording.md)")
	cmd.Flags().DurationVar(&o.since, "since", 0, "also tell what is known of this much time before the start, like 10m, in whole seconds")
	cmd.Flags().BoolVar(&o.events, "events", false, "show the Kubernetes Events about the pods too")
	cmd.Flags().BoolVar(&o.writers, "writers", false, "say who made each change, by the pod's managed fields")
	cmd.Flags().BoolVar(&o.spans, "spans", false, "in the end, show how long each step of the pods' way took")
	cmd.Flags().StringVar(&o.otlp, "otlp", "", "in the end, write the spans as OpenTelemetry traces: to a file, or to the OTLP receiver at an http:// URL")
	cmd.Flags().BoolVar(&o.once, "once", false, "end when what is there has been shown")
	cmd.Flags().StringVarP(&o.file, "file", "f", "", "show this recording instead of a cluster")
	addOutputFlag(cmd, &o.output)
	cmd.AddCommand(newTraceDiffCommand())
	return cmd
}

type traceOptions struct {
	access                       access
	all                          bool
	selector                     string
	record, file, otlp           string
	since                        time.Duration
	events, writers, spans, once bool
	output                       string
}

func (o *traceOptions) addSelection(cmd *cobra.Command) {
	cmd.Flags().BoolVarP(&o.all, "all-namespaces", "A", false, "the pods of all namespaces")
	cmd.Flags().StringVarP(&o.selector, "selector", "l", "", "only pods with these labels, for example app=web")
}

func (o *traceOptions) check(args []string) error {
	_, wrongSelector := labels.Parse(o.selector)
	switch {
	case wrongSelector != nil:
		return usageError{fmt.Errorf("--selector %q: %w", o.selector, wrongSelector)}
	case o.all && (len(args) > 0 || o.access.namespace != ""):
		return usageError{errors.New("--all-namespaces does not go with a pod's name or --namespace")}
	case o.since < 0:
		return usageError{fmt.Errorf("--since %v: say how long ago, like 10m", o.since)}
	case o.file != "" && (o.record != "" || o.since > 0 || o.once):
		return usageError{errors.New("--file shows what was recorded, so it does not go with --record, --since or --once")}
	}
	return nil
}

// run shows events from a cluster or a file, and in the end what came of them all.
func (o *traceOptions) run(ctx context.Context, cmd *cobra.Command, args []string) (err error) {
	show, err := o.printer(cmd.OutOrStdout())
	if err != nil {
		return err
	}
	if err := o.check(args); err != nil {
		return err
	}
	if o.file != "" {
		rec, err := readRecording(cmd, o.file)
		if err != nil {
			return err
		}
		events := o.selected(rec.Events, args)
		for _, e := range events {
			if err := show(e); err != nil {
				return err
			}
		}
		return o.finish(ctx, cmd, events, rec.Last())
	}
	t, err := o.access.connectOwn(ctx, cmd)
	if err != nil {
		return err
	}
	tracer := o.tracer(cmd, t, args)
	var kept []trace.Event
	past := &history{since: o.since, show: show}
	sinks := []func(trace.Event) error{past.take}
	if o.spans || o.otlp != "" {
		sinks = append(sinks, func(e trace.Event) error { kept = append(kept, light(e)); return nil })
	}
	if o.record != "" {
		file, openErr := os.OpenFile(o.record, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
		if openErr != nil {
			return fmt.Errorf("--record: %w", openErr)
		}
		defer func() { err = errors.Join(err, file.Close()) }()
		recorder := trace.NewRecorder(file)
		if err := recorder.Header(time.Now(), "podling "+version.Get().GitVersion, tracer.Events != nil); err != nil {
			return fmt.Errorf("--record: %w", err)
		}
		sinks = append(sinks, recorder.Print)
	}
	following, stop := context.WithCancel(ctx)
	defer stop()
	var listed error
	tracer.Listed = func() {
		if listed = past.listed(); o.once || listed != nil {
			stop()
		}
	}
	err = follow(following, tracer, func(e trace.Event) error {
		var errs []error
		for _, sink := range sinks {
			errs = append(errs, sink(e))
		}
		return errors.Join(errs...)
	})
	if err := errors.Join(err, listed); err != nil {
		return err
	}
	return o.finish(context.WithoutCancel(ctx), cmd, kept, time.Now())
}

// tracer is what follows the pods that the command line names.
func (o *traceOptions) tracer(cmd *cobra.Command, t *target, pods []string) *trace.Tracer {
	tracer := &trace.Tracer{
		Pods: t.client.CoreV1(), Namespace: t.namespace, Names: podNames(pods), Labels: o.selector,
		Writers: o.writers || o.record != "",
		Note:    func(text string) { fmt.Fprintln(cmd.ErrOrStderr(), text) },
	}
	if o.all {
		tracer.Namespace = ""
	}
	if o.events || o.spans || o.since > 0 || o.otlp != "" {
		tracer.Events = t.client.CoreV1()
	}
	return tracer
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

// printer prints events in the way that --output says.
func printer(out io.Writer, output string) (func(trace.Event) error, error) {
	if output == outputJSON {
		return trace.NewJSONPrinter(out).Print, nil
	}
	return trace.NewPrinter(out).Print, checkOutput(output)
}

func (o *traceOptions) printer(out io.Writer) (func(trace.Event) error, error) {
	if o.output == outputText && o.writers {
		p := trace.NewPrinter(out)
		p.Writers = true
		return p.Print, nil
	}
	return printer(out, o.output)
}

// completePods completes names of pods.
func (o *traceOptions) completePods(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
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
