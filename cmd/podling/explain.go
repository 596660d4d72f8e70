package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/podling/podling/explain"
	"github.com/podling/podling/explain/gather"
)

// newExplainCommand is `podling explain`.
func newExplainCommand() *cobra.Command {
	var o explainOptions
	cmd := &cobra.Command{
		Use:   "explain POD | KIND/NAME ...",
		Short: "Say why a pod does not run: the cause, what says so, what is next and what to do",
		Long: `Say why a pod of any cluster is as it is. In this order: one sentence that names the root cause; the chain
from what one sees to the root; the fields, Events and lines of log that say so; what happens next and
when; what to do; and the words of it that the atlas explains.

A KIND is deployment, replicaset, statefulset, daemonset, job, cronjob or node. Nothing in the cluster is
changed. What may not be seen is named, and the rest explained without it.

The cluster is podling's own if one has been started here, and otherwise the one that kubectl would talk
to; --kubeconfig and --context name another. The exit code is 0 if all is healthy, 3 if something is not
(or not yet), 1 for an error and 2 for a command line that makes no sense.`,
		Example: `  podling explain web-7d4b9
  podling explain deployment/web job/migrate -n shop
  podling explain -A --unhealthy
  podling explain -l app=web -o json
  podling explain node/worker-1
  podling explain -f busybox.jsonl`,
		ValidArgsFunction: o.complete,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := interruptible(cmd.Context())
			defer stop()
			return o.run(ctx, cmd, args)
		},
	}
	o.access.addFlags(cmd.Flags(), "the cluster's kubeconfig (default: podling's own, else the environment's)")
	cmd.Flags().BoolVarP(&o.all, "all-namespaces", "A", false, "the pods of all namespaces")
	cmd.Flags().BoolVar(&o.unhealthy, "unhealthy", false, "only pods that are not healthy")
	cmd.Flags().StringVarP(&o.selector, "selector", "l", "", "pods with these labels, for example app=web")
	cmd.Flags().StringVarP(&o.file, "file", "f", "", "a recording of `podling trace --record` instead of a cluster; - for standard input")
	cmd.Flags().StringVarP(&o.output, "output", "o", outputText, "text, or json (docs/explain.md)")
	completeWith(cmd, "output", outputText, outputJSON)
	return cmd
}

type explainOptions struct {
	access                 access
	all, unhealthy         bool
	selector, file, output string
}

// unhealthyCode is the exit code if something is not healthy.
const unhealthyCode exitCode = 3

func (o *explainOptions) run(ctx context.Context, cmd *cobra.Command, args []string) error {
	if err := o.check(args); err != nil {
		return usageError{err}
	}
	var all []explain.Explanation
	var err error
	if o.file != "" {
		all, err = o.fromRecording(cmd, args)
	} else {
		all, err = o.fromCluster(ctx, cmd, args)
	}
	if len(all) > 0 || err == nil {
		if printErr := o.print(cmd.OutOrStdout(), all); printErr != nil {
			return printErr
		}
	}
	if err != nil {
		return err
	}
	for _, e := range all {
		if e.Health != explain.Healthy {
			return unhealthyCode
		}
	}
	return nil
}

func (o *explainOptions) check(args []string) error {
	if err := checkOutput(o.output); err != nil {
		return err
	}
	if _, err := labels.Parse(o.selector); err != nil {
		return fmt.Errorf("--selector %q: %w", o.selector, err)
	}
	many := o.all || o.unhealthy || o.selector != ""
	switch {
	case o.file != "" && (o.all || o.selector != "" || o.access.kubeconfig != "" || o.access.context != ""):
		return errors.New("--file explains a recording: --all-namespaces, --selector, --kubeconfig and --context do not go with it")
	case o.file == "" && many && len(args) > 0:
		return errors.New("--all-namespaces, --unhealthy and --selector do not go with names")
	case o.file == "" && !many && len(args) == 0:
		return errors.New("name a pod, or KIND/NAME; or use --selector, or --unhealthy")
	case o.all && o.access.namespace != "":
		return errors.New("--all-namespaces does not go with --namespace")
	}
	if o.file == "" {
		_, err := targets(args)
		return err
	}
	return nil
}

// explained is something to explain.
type explained struct{ kind, name string }

// targets reads names as kubectl does: POD, KIND/NAME, and KIND NAME...
func targets(args []string) ([]explained, error) {
	var out []explained
	kind := "pod"
	for i, arg := range args {
		if i == 0 && len(args) > 1 && !strings.Contains(arg, "/") && gather.Kind(arg) != "" {
			kind = gather.Kind(arg)
			continue
		}
		of, name, slash := strings.Cut(arg, "/")
		if !slash {
			out = append(out, explained{kind, arg})
			continue
		}
		k := gather.Kind(of)
		if k == "" {
			var known []string
			for _, k := range gather.Kinds {
				known = append(known, k.Name)
			}
			return nil, fmt.Errorf("%s: %q is no kind that can be explained; those are %s", arg, of, strings.Join(known, ", "))
		}
		if name == "" {
			return nil, fmt.Errorf("%s: a name has to follow the slash", arg)
		}
		out = append(out, explained{k, name})
	}
	return out, nil
}

func (o *explainOptions) fromCluster(ctx context.Context, cmd *cobra.Command, args []string) ([]explain.Explanation, error) {
	t, err := o.access.connectOwn(ctx, cmd)
	if err != nil {
		return nil, err
	}
	cluster := gather.New(t.client)
	if len(args) == 0 {
		namespace := t.namespace
		if o.all {
			namespace = ""
		}
		all, err := cluster.Pods(ctx, namespace, o.selector, o.unhealthy)
		if err == nil && len(all) == 0 {
			text := "no pods"
			if o.unhealthy {
				text = "all pods are healthy"
			}
			fmt.Fprintln(cmd.ErrOrStderr(), text)
		}
		return all, err
	}
	want, err := targets(args)
	if err != nil {
		return nil, usageError{err}
	}
	var out []explain.Explanation
	var errs []error
	for _, one := range want {
		e, err := cluster.Explain(ctx, one.kind, t.namespace, one.name)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		out = append(out, e)
	}
	return out, errors.Join(errs...)
}

func (o *explainOptions) fromRecording(cmd *cobra.Command, args []string) ([]explain.Explanation, error) {
	in := cmd.InOrStdin()
	if o.file != "-" {
		file, err := os.Open(o.file)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		in = file
	}
	worlds, err := gather.Recording(in)
	if errors.Is(err, gather.ErrCut) {
		fmt.Fprintf(cmd.ErrOrStderr(), "%s: %v; what is before it is explained\n", o.file, err)
		err = nil
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.file, err)
	}
	wanted := map[string]bool{}
	for _, name := range args {
		wanted[name] = true
	}
	var out []explain.Explanation
	for _, w := range worlds {
		if len(args) > 0 && !wanted[w.Pod.Name] || o.access.namespace != "" && o.access.namespace != w.Pod.Namespace {
			continue
		}
		delete(wanted, w.Pod.Name)
		if e := explain.Pod(w); !o.unhealthy || e.Health != explain.Healthy {
			out = append(out, e)
		}
	}
	for name := range wanted {
		return out, fmt.Errorf("%s: there is no pod %s in it", o.file, name)
	}
	return out, nil
}

func (o *explainOptions) print(out io.Writer, all []explain.Explanation) error {
	if o.output == outputJSON {
		for _, e := range all {
			text, err := json.MarshalIndent(e, "", "  ")
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintln(out, string(text)); err != nil {
				return err
			}
		}
		return nil
	}
	for i, e := range all {
		if i > 0 {
			if _, err := fmt.Fprintln(out); err != nil {
				return err
			}
		}
		if err := explain.Print(out, e); err != nil {
			return err
		}
	}
	return nil
}

// complete completes names of pods, and kinds.
func (o *explainOptions) complete(cmd *cobra.Command, args []string, part string) ([]string, cobra.ShellCompDirective) {
	t, err := o.access.connectOwn(cmd.Context(), cmd)
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	resource := "pod"
	kind, _, slash := strings.Cut(part, "/")
	prefix := ""
	if slash {
		resource, prefix = gather.Kind(kind), kind+"/"
	}
	found, err := gather.New(t.client).Names(cmd.Context(), resource, t.namespace)
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var out []string
	for _, name := range found {
		out = append(out, prefix+name)
	}
	if slash {
		return out, cobra.ShellCompDirectiveNoFileComp
	}
	for _, k := range gather.Kinds[1:] {
		out = append(out, k.Name+"/")
	}
	return out, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}
