package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/podling/podling/cluster"
)

// newDownCommand is `podling down`.
func newDownCommand() *cobra.Command {
	var options cluster.Options
	var timeout time.Duration
	var pods bool
	cmd := &cobra.Command{
		Use:   "down",
		Short: "End the podling that uses a data folder",
		Long: `End the podling that uses a data folder, in order, and wait until it has ended: what podling up or
podling node started, in the background or not. As with Ctrl-C, containers go on running and are found
again by the next start. If there is none, nothing is done, and that is no error.

With --pods the node's pods end first, as before the machine shuts down: the node says that it is not
ready, and pods end by their priority, within --shutdown-grace-period of podling up or podling node (30s,
10s of it for critical pods, if nothing was said there). It is for machines without systemd-logind, which
podling watches by itself. The signal SIGPWR does the same.`,
		Example: `  podling down
  podling down --pods
  podling down --data-dir /var/lib/podling-node --timeout 2m`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if timeout <= 0 {
				return usageError{fmt.Errorf("--timeout %v: ending takes a while", timeout)}
			}
			dir, err := options.DataFolder(false)
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
			defer cancel()
			switch err := cluster.Down(ctx, dir, pods); {
			case errors.Is(err, cluster.ErrNotUp):
				fmt.Fprintf(cmd.ErrOrStderr(), "nothing to end: %v\n", err)
				return nil
			case err != nil:
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), "ended "+dir)
			return nil
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&options.DataDir, "data-dir", "", "the data folder (default: /var/lib/podling for root, else $XDG_DATA_HOME/podling)")
	flags.BoolVar(&pods, "pods", false, "end the node's pods first, in order")
	flags.DurationVar(&timeout, "timeout", time.Minute, "how long to wait for the end")
	return cmd
}
