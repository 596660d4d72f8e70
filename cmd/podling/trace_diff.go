package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/podling/podling/trace"
)

// newTraceDiffCommand is `podling trace diff`.
func newTraceDiffCommand() *cobra.Command {
	var o traceDiffOptions
	cmd := &cobra.Command{
		Use:   "diff A B",
		Short: "Compare the ways of two pods: the first state where they part",
		Long: `Compare the ways of two pods: the first state where they part. A and B are each a pod of a cluster,
or a recording (podling trace --record), or one pod of it, as FILE:POD. Times, addresses, ids and the
pods' own names do not count.

Two recordings are compared pod by pod, by their names if there are several. Of a pod that is only
seen as it is now, what it tells of its past is compared.

Both pods are looked for in the cluster that --kubeconfig and --context name, the second one in that
of --to-kubeconfig and --to-context where these are given.

The exit code is 0 if the ways are the same, 3 if they part, and 1 if they could not be compared.`,
		Example: `  podling trace diff web-0 web-1
  podling trace diff monday.jsonl tuesday.jsonl
  podling trace diff monday.jsonl:web web -o json
  podling trace diff web web --context staging --to-context production`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := interruptible(cmd.Context())
			defer stop()
			return o.run(ctx, cmd, args[0], args[1])
		},
	}
	o.a.addFlags(cmd.Flags(), "the cluster's kubeconfig (default: podling's own, else the environment's)")
	cmd.Flags().StringVar(&o.b.kubeconfig, "to-kubeconfig", "", "the kubeconfig of the second pod's cluster, if it is another")
	cmd.Flags().StringVar(&o.b.context, "to-context", "", "the context of the second pod's cluster, if it is another")
	cmd.Flags().StringVar(&o.b.namespace, "to-namespace", "", "the namespace of the second pod, if it is another")
	cmd.Flags().StringVarP(&o.output, "output", "o", outputText, "text, or json: one line a pair of pods")
	completeWith(cmd, "output", outputText, outputJSON)
	markUsageErrors(cmd)
	return cmd
}

type traceDiffOptions struct {
	a, b   access
	output string
}

// way is one pod's, to be compared.
type way struct {
	pod    string // NAMESPACE/NAME
	events []trace.Event
}

func (o *traceDiffOptions) run(ctx context.Context, cmd *cobra.Command, a, b string) error {
	if err := checkOutput(o.output); err != nil {
		return err
	}
	to := o.b
	if to.kubeconfig == "" && to.context == "" {
		to.kubeconfig, to.context = o.a.kubeconfig, o.a.context
		if to.namespace == "" {
			to.namespace = o.a.namespace
		}
	}
	waysA, err := o.a.ways(ctx, cmd, a)
	if err != nil {
		return err
	}
	waysB, err := to.ways(ctx, cmd, b)
	if err != nil {
		return err
	}
	differ := false
	for _, pair := range pairs(waysA, waysB) {
		d := compareWays(pair[0], pair[1])
		differ = differ || d.Differ
		if err := d.print(cmd.OutOrStdout(), o.output); err != nil {
			return err
		}
	}
	if differ {
		return exitCode(3)
	}
	return nil
}

// ways are those that an argument names: a recording's pods, or a cluster's one.
func (a *access) ways(ctx context.Context, cmd *cobra.Command, arg string) ([]way, error) {
	path, pod := arg, ""
	if _, err := os.Stat(path); err != nil {
		if i := strings.LastIndex(arg, ":"); i > 0 {
			path, pod = arg[:i], arg[i+1:]
			if _, err = os.Stat(path); err != nil {
				return nil, err
			}
		} else if strings.HasSuffix(arg, ".jsonl") {
			return nil, err
		} else {
			return a.way(ctx, cmd, podNames([]string{arg})[0])
		}
	}
	rec, err := readRecording(cmd, path)
	if err != nil {
		return nil, err
	}
	ways := split(rec.Events)
	if pod != "" {
		ways = slices.DeleteFunc(ways, func(w way) bool { return w.pod != pod && !strings.HasSuffix(w.pod, "/"+pod) })
	}
	if len(ways) == 0 {
		return nil, fmt.Errorf("%s: no pod %s is recorded there", path, pod)
	}
	return ways, nil
}

// way is that of a cluster's pod, as it is now.
func (a *access) way(ctx context.Context, cmd *cobra.Command, name string) ([]way, error) {
	t, err := a.connectOwn(ctx, cmd)
	if err != nil {
		return nil, err
	}
	pod, err := t.client.CoreV1().Pods(t.namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("%s in namespace %s: %w", name, t.namespace, err)
	}
	return []way{{pod.Namespace + "/" + pod.Name, []trace.Event{{Time: time.Now(), Type: watch.Added, Pod: pod, Existing: true}}}}, nil
}

// split takes a recording apart by pods, in the order in which these came.
func split(events []trace.Event) []way {
	var ways []way
	for _, e := range events {
		if e.Pod == nil {
			continue
		}
		pod := e.Pod.Namespace + "/" + e.Pod.Name
		i := slices.IndexFunc(ways, func(w way) bool { return w.pod == pod })
		if i < 0 {
			i, ways = len(ways), append(ways, way{pod: pod})
		}
		ways[i].events = append(ways[i].events, e)
	}
	return ways
}

// pairs are those to be compared with one another: two alone, or those of the same name. A pod without
// its like is compared with nothing.
func pairs(a, b []way) [][2]way {
	if len(a) == 1 && len(b) == 1 {
		return [][2]way{{a[0], b[0]}}
	}
	find := func(in []way, pod string) way {
		if i := slices.IndexFunc(in, func(w way) bool { return w.pod == pod }); i >= 0 {
			return in[i]
		}
		return way{}
	}
	var out [][2]way
	for _, w := range a {
		out = append(out, [2]way{w, find(b, w.pod)})
	}
	for _, w := range b {
		if find(a, w.pod).pod == "" {
			out = append(out, [2]way{{}, w})
		}
	}
	return out
}

// difference is the outcome of a comparison, as it is printed.
type difference struct {
	A      string   `json:"a"` // the pod; "" if it has no like
	B      string   `json:"b"`
	Differ bool     `json:"differ"`
	Past   bool     `json:"past,omitempty"` // only what the pods tell of their past was compared
	Same   int      `json:"same"`           // states that are the same, before
	NextA  []string `json:"nextA,omitempty"`
	NextB  []string `json:"nextB,omitempty"`
	AfterA float64  `json:"afterA,omitempty"` // seconds from the way's first state
	AfterB float64  `json:"afterB,omitempty"`
}

func compareWays(a, b way) difference {
	d := difference{A: a.pod, B: b.pod, Differ: true}
	if a.pod == "" || b.pod == "" {
		return d
	}
	stepsA, pastA := trace.Steps(a.events)
	stepsB, pastB := trace.Steps(b.events)
	if d.Past = pastA || pastB; d.Past {
		stepsA, stepsB = trace.Told(a.last()), trace.Told(b.last())
	}
	at, differ := trace.Diff(stepsA, stepsB)
	after := func(step trace.Step, steps []trace.Step) float64 {
		if len(step.Facts) == 0 || len(steps) == 0 {
			return 0
		}
		return step.Event.Time.Sub(steps[0].Event.Time).Seconds()
	}
	d.Differ, d.Same = differ, at.Same
	d.NextA, d.AfterA = at.A.Facts, after(at.A, stepsA)
	d.NextB, d.AfterB = at.B.Facts, after(at.B, stepsB)
	return d
}

// last is the pod as it was seen last.
func (w way) last() *v1.Pod { return w.events[len(w.events)-1].Pod }

func (d difference) print(out io.Writer, output string) error {
	if output == outputJSON {
		return json.NewEncoder(out).Encode(d)
	}
	var text string
	switch {
	case d.A == "":
		text = fmt.Sprintf("%s is in the second only\n", d.B)
	case d.B == "":
		text = fmt.Sprintf("%s is in the first only\n", d.A)
	case !d.Differ:
		text = fmt.Sprintf("%s and %s: %s\n", d.A, d.B, d.states())
	default:
		text = fmt.Sprintf("%s and %s part after %s:\n%s%s", d.A, d.B, d.states(), next("A", d.AfterA, d.NextA), next("B", d.AfterB, d.NextB))
	}
	_, err := io.WriteString(out, text)
	return err
}

func (d difference) states() string {
	if d.Past {
		return fmt.Sprintf("%d same states, of those that the pods still tell of", d.Same)
	}
	return fmt.Sprintf("%d same states", d.Same)
}

func next(which string, after float64, facts []string) string {
	if len(facts) == 0 {
		return fmt.Sprintf("  %s  nothing more\n", which)
	}
	text := ""
	for i, f := range facts {
		head := strings.Repeat(" ", 14)
		if i == 0 {
			head = fmt.Sprintf("  %s %8.3fs ", which, after)
		}
		text += head + " " + trace.Printable(f) + "\n"
	}
	return text
}
