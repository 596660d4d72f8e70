package main

import (
	"context"
	"io"

	"github.com/spf13/cobra"
)

// endsWithInputFlag is the flag by which whoever starts a podling makes it end with himself, however he
// ends: he holds the other end of its standard input, which the kernel closes.
const endsWithInputFlag = "end-with-stdin"

// addEndsWithInput adds the flag. It is for programs (podlingtest), and not shown to people.
func addEndsWithInput(cmd *cobra.Command, ends *bool) {
	cmd.Flags().BoolVar(ends, endsWithInputFlag, false, "end, as by SIGTERM, when standard input does")
	if err := cmd.Flags().MarkHidden(endsWithInputFlag); err != nil {
		panic(err) // there is no such flag
	}
}

// untilTold is a context that ends with a signal, and, if that is asked for, with the command's input.
func untilTold(cmd *cobra.Command, withInput bool) (context.Context, context.CancelFunc) {
	ctx, stop := interruptible(cmd.Context())
	if !withInput {
		return ctx, stop
	}
	ctx, cancel := untilInputEnds(ctx, cmd.InOrStdin())
	return ctx, func() { cancel(); stop() }
}

// untilInputEnds is a context that ends with the input.
func untilInputEnds(parent context.Context, in io.Reader) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(parent)
	go func() {
		_, _ = io.Copy(io.Discard, in) // an input that cannot be read has ended
		cancel()
	}()
	return ctx, cancel
}
