// Podling runs the Kubernetes pod lifecycle, whole, in one process: this is its command line.
//
// Each command lives in a short file of its own and only turns flags into a call of the package
// that does the work; main adds them to the root and turns their errors into one line and an exit
// code: 2 for a command line that makes no sense, 1 for everything else, except where a command's
// answer is an exit code of its own.
package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/podling/podling/cluster"
)

func main() {
	root := newRootCommand()
	os.Exit(run(root, asCalled(root, os.Args[0], os.Args[1:])))
}

// newRootCommand is `podling` with all its commands.
func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "podling",
		Short:         "The Kubernetes pod lifecycle in one process",
		Long:          "podling runs the Kubernetes pod lifecycle, whole, in one process, and makes every step of it visible.",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddCommand(
		newUpCommand(),
		newDownCommand(),
		newNodeCommand(),
		newTokenCommand(),
		newRunCommand(),
		newTraceCommand(),
		newUICommand(),
		newReplayCommand(),
		newExplainCommand(),
		newAtlasCommand(),
		newFaultCommand(),
		newClockCommand(),
		newKubectlCommand(),
		newVersionCommand(),
	)
	if upstreams := pflag.CommandLine.Lookup("version"); upstreams != nil {
		upstreams.Hidden = true // registered for every program that links Kubernetes; podling has `podling version`
	}
	for _, cmd := range root.Commands() {
		markUsageErrors(cmd)
	}
	return root
}

// run executes the command line and says how it went: the process's exit code.
func run(root *cobra.Command, args []string) int {
	root.SetArgs(args)
	cmd, err := root.ExecuteC()
	if err == nil {
		return 0
	}
	if code, ok := errors.AsType[exitCode](err); ok {
		return int(code)
	}
	message := strings.ReplaceAll(err.Error(), "\n", "; ") // errors.Join's lines
	_, usage := errors.AsType[usageError](err)
	_, options := errors.AsType[cluster.UsageError](err)
	if usage || options || strings.HasPrefix(message, "unknown command ") {
		fmt.Fprintf(root.ErrOrStderr(), "podling: %s; see `%s --help`\n", message, cmd.CommandPath())
		return 2
	}
	fmt.Fprintf(root.ErrOrStderr(), "podling: %s\n", message)
	return 1
}

// exitCode is an answer that is given by the process's exit code, all else having been said already.
type exitCode int

func (e exitCode) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// usageError is a command line that makes no sense: an unknown flag, a missing argument, a value
// that cannot be read.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// markUsageErrors makes what a command's argument check refuses a usage error.
func markUsageErrors(cmd *cobra.Command) {
	if check := cmd.Args; check != nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			if err := check(cmd, args); err != nil {
				return usageError{err}
			}
			return nil
		}
	}
}
