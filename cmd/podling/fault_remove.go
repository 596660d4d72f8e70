package main

import (
	"errors"

	"github.com/spf13/cobra"
)

// newFaultRemoveCommand is `podling fault remove`.
func newFaultRemoveCommand() *cobra.Command {
	var o faultOptions
	var all bool
	cmd := &cobra.Command{
		Use:   "remove NAME...",
		Short: "Take faults out of force; calls that they hold up go on",
		Long: `Take faults out of force; calls that they hold up go on. A fault of a pod's annotation ends with the
annotation: kubectl annotate pod POD podling.dev/faults-`,
		Example: `  podling fault remove PullImage-1
  podling fault remove --all`,
		Aliases: []string{"rm"},
		Args: func(cmd *cobra.Command, args []string) error {
			if all == (len(args) > 0) {
				return errors.New("name the faults to remove, or say --all")
			}
			return nil
		},
		ValidArgsFunction: o.complete,
		RunE: func(cmd *cobra.Command, names []string) error {
			node, err := o.faults(cmd.Context(), cmd)
			if err != nil {
				return err
			}
			if all {
				if names, err = o.names(cmd); err != nil {
					return err
				}
			}
			return removeEach(cmd, o.output, "fault", "removed", names, func(name string) error { return node.Remove(cmd.Context(), name) })
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "all that were added with `podling fault add`")
	o.addFlags(cmd)
	return cmd
}

// names are those of the faults that can be removed.
func (o *faultOptions) names(cmd *cobra.Command) ([]string, error) {
	node, err := o.faults(cmd.Context(), cmd)
	if err != nil {
		return nil, err
	}
	faults, err := node.List(cmd.Context())
	var names []string
	for _, f := range faults {
		if f.Owner == "" {
			names = append(names, f.Name)
		}
	}
	return names, err
}

func (o *faultOptions) complete(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	names, err := o.names(cmd)
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
