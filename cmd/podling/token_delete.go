package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/podling/podling/cluster"
)

func newTokenDeleteCommand() *cobra.Command {
	var o tokenOptions
	cmd := &cobra.Command{
		Use:   "delete TOKEN...",
		Short: "Withdraw tokens, so that nobody joins by them any more",
		Long: `Withdraw bootstrap tokens, each named by its ID (the six characters before the dot) or whole. Nodes that
have joined by one stay: they have certificates of their own.`,
		Example: `  podling token delete abcdef
  podling token list -o json | jq -r '.[].token' | xargs podling token delete`,
		Aliases: []string{"rm"},
		Args:    cobra.MinimumNArgs(1),
		ValidArgsFunction: func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
			t, err := o.access.connectOwn(cmd.Context(), cmd)
			if err != nil {
				return nil, cobra.ShellCompDirectiveError
			}
			tokens, _ := cluster.Tokens(cmd.Context(), t.client) // those that can be read
			var ids []string
			for _, token := range tokens {
				ids = append(ids, strings.TrimSpace(token.ID()+"\t"+token.Description))
			}
			return ids, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkOutput(o.output); err != nil {
				return err
			}
			var ids []string
			for i, arg := range args {
				id, err := cluster.TokenID(arg)
				if err != nil {
					return usageError{fmt.Errorf("argument %d: %w", i+1, err)}
				}
				ids = append(ids, id)
			}
			t, err := o.access.connectOwn(cmd.Context(), cmd)
			if err != nil {
				return err
			}
			return removeEach(cmd, o.output, "token", "deleted", ids, func(id string) error { return cluster.Withdraw(cmd.Context(), t.client, id) })
		},
	}
	o.addFlags(cmd, outputText, outputJSON)
	return cmd
}
