package main

import (
	"errors"

	"github.com/spf13/cobra"
)

// newUpCommand is `podling up`.
func newUpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "up",
		Short: "Bring a cluster of one node up and keep it up",
		Args:  cobra.NoArgs,
		RunE:  func(*cobra.Command, []string) error { return errors.New("not there yet") },
	}
}
