package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/podling/podling/clock/remote"
)

// newClockCommand is `podling clock`.
func newClockCommand() *cobra.Command {
	cmd := newClockVerb(clockVerb{
		use:   "clock",
		short: "Show the clock of a node, or move one that is virtual",
		long: `Show the clock that a node and its containers go by, or move it, if it is a virtual one.

Simulated nodes can have a clock of their own: with ` + "`podling up --runtime sim --clock virtual`" + ` it jumps
to the next moment at which something is to happen whenever nothing is under way, so that an hour
passes in no time; with --clock manual it stands until it is advanced.`,
		example: `  podling clock
  podling clock advance 10m
  podling clock pause
  podling clock resume`,
		args: cobra.NoArgs,
		do: func(ctx context.Context, node remote.Node, _ []string) (remote.State, error) {
			return node.State(ctx)
		},
	})
	cmd.AddCommand(
		newClockVerb(clockVerb{
			use:   "advance DURATION",
			short: "Move a virtual clock on, through all that is to happen meanwhile",
			long: `Move a virtual clock on, through all that is to happen meanwhile, and end when that is over: a
container that was to be restarted in five minutes has been restarted after ` + "`podling clock advance 5m`" + `.
What happens on the way happens in its order, each at its own moment.`,
			example: `  podling clock advance 90s
  podling clock advance 10m -o json`,
			args: duration,
			do: func(ctx context.Context, node remote.Node, args []string) (remote.State, error) {
				by, err := time.ParseDuration(args[0])
				if err != nil {
					return remote.State{}, err
				}
				return node.Advance(ctx, by)
			},
		}),
		newClockVerb(clockVerb{
			use:     "pause",
			short:   "Keep a virtual clock from jumping by itself",
			long:    "Keep a virtual clock from jumping by itself. It goes on with `podling clock advance` alone, until `podling clock resume`.",
			example: "  podling clock pause",
			args:    cobra.NoArgs,
			do: func(ctx context.Context, node remote.Node, _ []string) (remote.State, error) {
				return node.Pause(ctx)
			},
		}),
		newClockVerb(clockVerb{
			use:     "resume",
			short:   "Let a virtual clock jump by itself whenever nothing is under way",
			long:    "Let a virtual clock jump by itself, to the next moment at which something is to happen, whenever nothing is under way.",
			example: "  podling clock resume",
			args:    cobra.NoArgs,
			do: func(ctx context.Context, node remote.Node, _ []string) (remote.State, error) {
				return node.Resume(ctx)
			},
		}),
	)
	for _, verb := range cmd.Commands() {
		markUsageErrors(verb)
		verb.SetFlagErrorFunc(backwards)
	}
	return cmd
}

// clockVerb is one thing to do with a clock. All of them end with where it stands.
type clockVerb struct {
	use, short, long, example string
	args                      cobra.PositionalArgs
	do                        func(ctx context.Context, node remote.Node, args []string) (remote.State, error)
}

func newClockVerb(verb clockVerb) *cobra.Command {
	var o nodeOptions
	cmd := &cobra.Command{
		Use: verb.use, Short: verb.short, Long: verb.long, Example: verb.example,
		Args:              verb.args,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			client, node, err := o.pick(cmd.Context(), cmd)
			if err != nil {
				return err
			}
			state, err := verb.do(cmd.Context(), remote.Of(client, node), args)
			if err != nil {
				return err
			}
			if o.output == outputJSON {
				return printJSON(cmd.OutOrStdout(), state)
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), describeClock(state))
			return err
		},
	}
	o.addFlags(cmd)
	return cmd
}

// duration wants one argument that is one, and forwards.
func duration(cmd *cobra.Command, args []string) error {
	if err := cobra.ExactArgs(1)(cmd, args); err != nil {
		return err
	}
	by, err := time.ParseDuration(args[0])
	switch {
	case err != nil:
		return fmt.Errorf("%q is no duration, such as 90s or 10m", args[0])
	case by <= 0:
		return fmt.Errorf("%s: a clock does not move backwards; say how far it is to go on, such as 10m", args[0])
	}
	return nil
}

// backwards explains what becomes of `advance -5m`: a duration that is taken for a flag.
func backwards(_ *cobra.Command, err error) error {
	if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok && strings.ContainsAny(unknown.GetSpecifiedName(), "0123456789") {
		err = fmt.Errorf("-%s: a clock does not move backwards; say how far it is to go on, such as 10m", unknown.GetSpecifiedShortnames())
	}
	return usageError{err}
}

// describeClock is a clock's state on one line.
func describeClock(s remote.State) string {
	words := []string{s.Now.UTC().Format(time.RFC3339)}
	switch {
	case !s.Virtual:
		return words[0] + "  the machine's"
	case s.Running:
		words = append(words, "virtual, jumps by itself")
	default:
		words = append(words, "virtual, stands until it is advanced")
	}
	if s.Busy > 0 {
		words = append(words, fmt.Sprintf("busy with %d", s.Busy))
	}
	if !s.Next.IsZero() {
		words = append(words, fmt.Sprintf("next of %d timers in %s", s.Timers, s.Next.Sub(s.Now).Round(time.Millisecond)))
	}
	return strings.Join(words, "  ")
}
