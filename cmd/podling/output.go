package main

import (
	"errors"
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

// removeEach removes what has these names, and says which it did: in a line each, that begins with the
// kind and ends with what was done, or as a list. One that cannot be removed does not keep the others.
func removeEach(cmd *cobra.Command, output, kind, done string, names []string, remove func(name string) error) error {
	removed := []string{}
	var errs []error
	for _, name := range names {
		if err := remove(name); err != nil {
			errs = append(errs, err)
			continue
		}
		removed = append(removed, name)
		if output == outputText {
			fmt.Fprintf(cmd.OutOrStdout(), "%s %s %s\n", kind, name, done)
		}
	}
	if output == outputJSON {
		errs = append(errs, printJSON(cmd.OutOrStdout(), removed))
	}
	return errors.Join(errs...)
}
