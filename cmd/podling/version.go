package main

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"
	"k8s.io/component-base/version"
)

// newVersionCommand is `podling version`: the version that the API server and the node report too,
// set by the linker (-X k8s.io/component-base/version.gitVersion=...).
func newVersionCommand() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version, which the API server and the node report too",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			info := version.Get()
			switch output {
			case "":
				_, err := fmt.Fprintln(cmd.OutOrStdout(), info.GitVersion)
				return err
			case "json":
				enc := json.NewEncoder(cmd.OutOrStdout())
				enc.SetIndent("", "  ")
				return enc.Encode(info)
			default:
				return usageError{fmt.Errorf("--output %q is not known: only json is", output)}
			}
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "json: everything that is known about the build")
	return cmd
}
