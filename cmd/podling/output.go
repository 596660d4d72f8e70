package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

// The ways to print.
const (
	outputText = "text"
	outputJSON = "json"
)

func addOutputFlag(cmd *cobra.Command, output *string) {
	cmd.Flags().StringVarP(output, "output", "o", outputText, "text, or json: one line an event")
	completeWith(cmd, "output", outputText, outputJSON)
}

// checkOutput is the usage error of an --output that is neither.
func checkOutput(output string) error {
	if output == outputText || output == outputJSON {
		return nil
	}
	return usageError{fmt.Errorf("--output %q is not known: it is %s or %s", output, outputText, outputJSON)}
}
