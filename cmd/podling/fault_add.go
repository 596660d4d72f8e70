package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/podling/podling/runtime/fault"
)

// newFaultAddCommand is `podling fault add`.
func newFaultAddCommand() *cobra.Command {
	var o faultOptions
	var rule fault.Rule
	var probability float64
	cmd := &cobra.Command{
		Use:   "add CALL",
		Short: "Put a fault in force",
		Long: `Put a fault in force, for calls to the runtime (by their names in the CRI), for the node's own steps
EnsurePodCgroup, PreCreateContainer and PreStartContainer, or for the runtime's state: RuntimeDown
strikes every call, NetworkNotReady what the runtime says of its network. The pods that are struck
show it as if it had happened.

Without --error, --delay and --hang the call fails. In patterns * stands for any text, ? for one
character. --kubeconfig may be that of any user who may use nodes/proxy.

CALL is one of ` + wrapped(fault.Calls(), 100),
		Example: `  podling fault add PullImage --pod 'default/web-*' --error 'toomanyrequests: slow down' --count 3
  podling fault add ImageStatus --image 'busybox*' --error 'the image store is damaged' --code Unknown
  podling fault add StartContainer -l app=web --delay 5s
  podling fault add StopContainer --pod web --container main --hang
  podling fault add ExecSync --probability 0.1 --seed 7 --error 'no such process'
  podling fault add NetworkNotReady --error 'cni plugin not initialized'`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeCalls,
		RunE: func(cmd *cobra.Command, args []string) error {
			rule.Call = fault.Call(args[0])
			if cmd.Flags().Changed("probability") {
				rule.Probability = &probability
			}
			if err := rule.Check(); err != nil {
				return err
			}
			faults, err := o.faults(cmd.Context(), cmd)
			if err != nil {
				return err
			}
			added, err := faults.Add(cmd.Context(), rule)
			if err != nil {
				return err
			}
			if o.output == outputJSON {
				return printJSON(cmd.OutOrStdout(), added)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "fault %s added\n", added.Name)
			return err
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&rule.Name, "name", "", "what to call the fault (default: the call and a number)")
	flags.StringVar(&rule.Pod, "pod", "", "only calls for pods of this pattern: NAMESPACE/NAME, or NAME in any namespace")
	flags.StringVarP(&rule.Selector, "selector", "l", "", "only calls for pods with these labels, for example app=web")
	flags.StringVar(&rule.Image, "image", "", "only calls for this pattern of images, as the pod's spec names them")
	flags.StringVarP(&rule.Container, "container", "c", "", "only calls for containers of this pattern")
	flags.StringVar(&rule.Node, "on-node", "", "only calls that nodes of this pattern make (default: the node that --node names, else all that are reached)")
	flags.StringVar(&rule.Error, "error", "", "what the call fails with")
	flags.StringVar(&rule.Code, "code", "", "the gRPC code of the error, such as Unknown or Unavailable (default: none, the text alone)")
	flags.DurationVar(&rule.Delay.Duration, "delay", 0, "how much longer the call takes, before it goes on or fails")
	flags.BoolVar(&rule.Hang, "hang", false, "the call does not return until the node gives up or the fault is removed")
	flags.Float64Var(&probability, "probability", 1, "of a call being struck, above 0")
	flags.Uint64Var(&rule.Seed, "seed", 0, "of the chance: the same seed strikes the same calls of the same pods")
	flags.IntVar(&rule.Count, "count", 0, "how many calls are struck at most (0: no limit)")
	o.addFlags(cmd)
	return cmd
}

func completeCalls(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	var words []string
	for _, c := range fault.Calls() {
		if len(args) == 0 {
			words = append(words, string(c))
		}
	}
	return words, cobra.ShellCompDirectiveNoFileComp
}

// wrapped lists calls in lines of at most width characters.
func wrapped(calls []fault.Call, width int) string {
	var b strings.Builder
	column := len("CALL is one of ")
	for i, c := range calls {
		word := string(c)
		if i < len(calls)-1 {
			word += ","
		}
		if column+len(word) > width {
			b.WriteString("\n")
			column = 0
		} else if i > 0 {
			b.WriteString(" ")
			column++
		}
		b.WriteString(word)
		column += len(word)
	}
	return b.String() + "."
}
