package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/podling/podling/explain"
	"github.com/podling/podling/replay"
	"github.com/podling/podling/trace"
)

// newReplayCommand is `podling replay`.
func newReplayCommand() *cobra.Command {
	var o replayOptions
	cmd := &cobra.Command{
		Use:   "replay FILE",
		Short: "Step through a recording, forwards and backwards",
		Long: `Step through a recording that podling trace --record made, forwards and backwards: each event with
what it changed, who changed it and what the node did for it, and where all pods stood then. On a
terminal, keys go from state to state; --at and --list print instead, as happens where there is none.

With --verify the file is one that podling up --record-decisions wrote: what podling's own node was
given each time it decided about a pod is given to the same code once more, and the answers have to
be the same. The exit code is 3 if one is not.`,
		Example: `  podling replay monday.jsonl
  podling replay monday.jsonl --list
  podling replay monday.jsonl --at 12 -o json
  podling replay monday.jsonl --at -1 --explain
  podling replay --verify decisions.jsonl`,
		Args: cobra.ExactArgs(1),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return []string{"jsonl"}, cobra.ShellCompDirectiveFilterFileExt
		},
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, args[0]) },
	}
	cmd.Flags().IntVar(&o.at, "at", 0, "print what there was to see at this event, from 1, or from -1 backwards from the last")
	cmd.Flags().BoolVar(&o.explain, "explain", false, "with --at, explain how it stood with the event's pod then")
	cmd.Flags().BoolVar(&o.list, "list", false, "print all events, with their numbers")
	cmd.Flags().BoolVar(&o.verify, "verify", false, "decide once more what podling's own node decided, and compare")
	cmd.Flags().StringVarP(&o.output, "output", "o", outputText, "text, or json")
	completeWith(cmd, "output", outputText, outputJSON)
	cmd.MarkFlagsMutuallyExclusive("at", "list", "verify")
	return cmd
}

type replayOptions struct {
	at                    int
	list, verify, explain bool
	output                string
}

func (o *replayOptions) run(cmd *cobra.Command, path string) error {
	if err := checkOutput(o.output); err != nil {
		return err
	}
	if cmd.Flags().Changed("at") && o.at == 0 {
		return usageError{errors.New("--at 0: events are counted from 1, or from -1 backwards")}
	}
	if o.explain && o.at == 0 {
		return usageError{errors.New("--explain explains one moment: say which with --at, or press e on a terminal")}
	}
	if o.verify {
		return o.again(cmd, path)
	}
	rec, err := readRecording(cmd, path)
	if err != nil {
		return err
	}
	if len(rec.Events) == 0 {
		return fmt.Errorf("%s: nothing happened in it", path)
	}
	player := replay.New(rec.Events)
	out := cmd.OutOrStdout()
	screen, isFile := out.(*os.File)
	keys, hasKeys := cmd.InOrStdin().(*os.File)
	switch {
	case o.at != 0:
		n := o.at
		if n < 0 {
			n += player.Len() + 1
		}
		if n < 1 || n > player.Len() {
			return fmt.Errorf("--at %d: %s has %d events", o.at, path, player.Len())
		}
		player.Go(n)
		return o.print(player, out)
	case !o.list && o.output == outputText && isFile && hasKeys && term.IsTerminal(int(screen.Fd())) && term.IsTerminal(int(keys.Fd())):
		return newReplayScreen(player, keys, screen).run()
	}
	return o.printAll(rec.Events, player, out)
}

func (o *replayOptions) print(player *replay.Player, out io.Writer) error {
	if o.explain {
		e, err := explainTimeline(player.OfPod())
		if err != nil {
			return err
		}
		if o.output == outputJSON {
			return json.NewEncoder(out).Encode(e)
		}
		return errors.Join(player.Frame().Print(out), printExplanation(out, e))
	}
	if o.output == outputJSON {
		return player.Frame().JSON(out)
	}
	return player.Frame().Print(out)
}

func printExplanation(out io.Writer, e *explain.Explanation) error {
	if _, err := fmt.Fprintln(out); err != nil {
		return err
	}
	return explain.Print(out, *e)
}

func (o *replayOptions) printAll(events []trace.Event, player *replay.Player, out io.Writer) error {
	var text bytes.Buffer
	printer := trace.NewPrinterTo(&text, out)
	for i, e := range events {
		player.Go(i + 1)
		var err error
		if o.output == outputJSON {
			err = player.Frame().JSON(out)
		} else if err = printer.Print(e); err == nil {
			_, err = fmt.Fprintf(out, "%5d %s\n", i+1, strings.ReplaceAll(strings.TrimSuffix(text.String(), "\n"), "\n", "\n      "))
			text.Reset()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// again verifies a file of decisions.
func (o *replayOptions) again(cmd *cobra.Command, path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	report, err := replay.Verify(file)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	nameProblems(cmd, path, report.Problems)
	out := cmd.OutOrStdout()
	if o.output == outputJSON {
		err = json.NewEncoder(out).Encode(report)
	} else {
		err = printReport(out, report)
	}
	if err == nil && len(report.Different) > 0 {
		return exitCode(3)
	}
	return err
}

// mostDifferent is how many decisions that are others now are printed.
const mostDifferent = 20

func printReport(out io.Writer, r *replay.Report) error {
	if len(r.Different) == 0 {
		_, err := fmt.Fprintf(out, "%d decisions about %d pods: all the same\n", r.Decisions, r.Pods)
		return err
	}
	text := fmt.Sprintf("%d decisions about %d pods: %d are others now\n", r.Decisions, r.Pods, len(r.Different))
	for _, d := range r.Different[:min(mostDifferent, len(r.Different))] {
		text += fmt.Sprintf("line %d  %s  %s/%s\n", d.Line, d.Time.UTC().Format("15:04:05.000Z"), trace.Printable(d.Namespace), trace.Printable(d.Name))
		for _, f := range d.Fields {
			text += fmt.Sprintf("  %s: %s → %s\n", f.Path, cmp.Or(trace.Printable(f.Was), "none"), cmp.Or(trace.Printable(f.Is), "none"))
		}
	}
	_, err := io.WriteString(out, text)
	return err
}
