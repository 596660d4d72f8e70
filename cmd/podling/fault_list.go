package main

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/podling/podling/runtime/fault"
)

// newFaultListCommand is `podling fault list`.
func newFaultListCommand() *cobra.Command {
	var o faultOptions
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Show the faults in force, and how many calls each has struck",
		Long: `Show the faults in force and how many calls each has struck. Those that are some pod's own, by its
annotation podling.dev/faults, come last; they end with it.`,
		Example: `  podling fault list
  podling fault list -o json | jq '.[] | select(.hits > 0)'`,
		Aliases: []string{"ls"},
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			node, err := o.faults(cmd.Context(), cmd)
			if err != nil {
				return err
			}
			faults, err := node.List(cmd.Context())
			if err != nil {
				return err
			}
			if o.output == outputJSON {
				return printJSON(cmd.OutOrStdout(), faults)
			}
			if len(faults) == 0 {
				_, err := fmt.Fprintln(cmd.ErrOrStderr(), "No faults are in force.")
				return err
			}
			table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 3, ' ', 0)
			fmt.Fprintln(table, "NAME\tCALL\tOF\tEFFECT\tHITS")
			for _, f := range faults {
				of := f.Scope()
				if f.Owner != "" {
					of = strings.TrimSuffix("pod "+f.Owner+" "+f.Scope(), " all")
				}
				fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", f.Name, f.Call, of, f.Effect(), hits(f))
			}
			return table.Flush()
		},
	}
	o.addFlags(cmd)
	return cmd
}

// hits are how many calls a fault has struck, of how many it may.
func hits(f fault.Fault) string {
	if f.Count > 0 {
		return fmt.Sprintf("%d/%d", f.Hits, f.Count)
	}
	return fmt.Sprint(f.Hits)
}
