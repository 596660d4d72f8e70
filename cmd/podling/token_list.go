package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	humanize "k8s.io/apimachinery/pkg/util/duration"

	"github.com/podling/podling/cluster"
)

func newTokenListCommand() *cobra.Command {
	var o tokenOptions
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Show the tokens by which nodes may join",
		Long: `Show the bootstrap tokens that the cluster keeps, whoever made them, and how long each is good. Those that
have expired are shown until the cluster has collected them. What is printed is secret: who has a token may
join.`,
		Example: `  podling token list
  podling token list -o json | jq -r '.[] | select(.expires == null).token'`,
		Aliases: []string{"ls"},
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkOutput(o.output); err != nil {
				return err
			}
			t, err := o.access.connectOwn(cmd.Context(), cmd)
			if err != nil {
				return err
			}
			tokens, bad := cluster.Tokens(cmd.Context(), t.client)
			if tokens == nil {
				return bad
			}
			switch {
			case o.output == outputJSON:
				err = printJSON(cmd.OutOrStdout(), tokens)
			case len(tokens) == 0:
				_, err = fmt.Fprintln(cmd.ErrOrStderr(), "There are no tokens: podling token create makes one.")
			default:
				err = printTokens(cmd.OutOrStdout(), tokens, time.Now())
			}
			return errors.Join(err, bad)
		},
	}
	o.addFlags(cmd, outputText, outputJSON)
	return cmd
}

// printTokens prints the tokens as kubeadm does.
func printTokens(out io.Writer, tokens []cluster.Token, now time.Time) error {
	table := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, "TOKEN\tTTL\tEXPIRES\tUSAGES\tDESCRIPTION\tEXTRA GROUPS")
	list := func(words []string) string { return cmp.Or(strings.Join(words, ","), "<none>") }
	for _, t := range tokens {
		left, expires := "<forever>", "<never>"
		if t.Expires != nil {
			expires = t.Expires.UTC().Format(time.RFC3339)
			if left = "<expired>"; t.Expires.After(now) {
				left = humanize.ShortHumanDuration(t.Expires.Sub(now))
			}
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", t.Token, left, expires, list(t.Usages), cmp.Or(t.Description, "<none>"), list(t.Groups))
	}
	return table.Flush()
}
