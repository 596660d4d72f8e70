package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/podling/podling/cluster"
)

const outputKubeconfig = "kubeconfig"

// defaultTTL is how long a token is good, as kubeadm's.
const defaultTTL = 24 * time.Hour

// newTokenCommand is `podling token`.
func newTokenCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Make, show and withdraw the tokens by which nodes join",
		Long:  "Make, show and withdraw the bootstrap tokens by which nodes join the cluster.",
		Example: `  podling token create --ttl 1h
  podling token list
  podling token delete abcdef`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newTokenCreateCommand(), newTokenListCommand(), newTokenDeleteCommand())
	for _, verb := range cmd.Commands() {
		markUsageErrors(verb)
	}
	return cmd
}

type tokenOptions struct {
	access access
	ttl    time.Duration
	output string
}

func newTokenCreateCommand() *cobra.Command {
	var o tokenOptions
	cmd := &cobra.Command{
		Use:   "create",
		Short: "Make a token, and print the command by which a node joins with it",
		Long: `Make a bootstrap token, and print the command by which a node joins with it. Any number of nodes may,
until the token expires. The cluster is podling's, or one that kubeadm made.

-o kubeconfig prints a bootstrap kubeconfig instead, for podling node --bootstrap-kubeconfig or upstream's
kubelet. Who has the token may ask for the certificate of any node: keep it as you keep a password. To
withdraw it: podling token delete ID`,
		Example: `  podling token create
  podling token create --ttl 10m
  podling token create -o kubeconfig >bootstrap.kubeconfig`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.create(cmd.Context(), cmd) },
	}
	cmd.Flags().DurationVar(&o.ttl, "ttl", defaultTTL, "how long the token is good; 0: until it is deleted")
	o.addFlags(cmd, outputText, outputJSON, outputKubeconfig)
	return cmd
}

// addFlags makes the flags that all verbs have; outputs are the ways to print.
func (o *tokenOptions) addFlags(cmd *cobra.Command, outputs ...string) {
	flags := cmd.Flags()
	flags.StringVar(&o.access.kubeconfig, "kubeconfig", "", "the cluster's kubeconfig (default: podling's own, else the environment's)")
	flags.StringVar(&o.access.context, "context", "", "the kubeconfig's context to use")
	last := len(outputs) - 1
	flags.StringVarP(&o.output, "output", "o", outputText, strings.Join(outputs[:last], ", ")+" or "+outputs[last])
	completeWith(cmd, "output", outputs...)
}

func (o *tokenOptions) create(ctx context.Context, cmd *cobra.Command) error {
	switch {
	case o.output != outputText && o.output != outputJSON && o.output != outputKubeconfig:
		return usageError{fmt.Errorf("--output %q is not known: it is %s, %s or %s", o.output, outputText, outputJSON, outputKubeconfig)}
	case o.ttl < 0:
		return usageError{fmt.Errorf("--ttl %v: a token is not good for less than no time", o.ttl)}
	case o.ttl > 0 && o.ttl < time.Second:
		return usageError{errors.New("--ttl: want 1s or more")}
	}
	t, err := o.access.connectOwn(ctx, cmd)
	if err != nil {
		return err
	}
	invited, err := cluster.Invite(ctx, t.client, o.ttl)
	if err != nil {
		return err
	}
	if u, err := url.Parse(invited.Server); err == nil && net.ParseIP(u.Hostname()).IsLoopback() {
		fmt.Fprintf(cmd.ErrOrStderr(), "the API server is at %s: nodes on other machines do not reach it there (podling up --listen 0.0.0.0:6443)\n", invited.Server)
	}
	switch o.output {
	case outputKubeconfig:
		data, err := invited.Kubeconfig()
		if err != nil {
			return err
		}
		_, err = cmd.OutOrStdout().Write(data)
		return err
	case outputJSON:
		out := map[string]any{"server": invited.Server, "token": invited.Token, "caCertHash": invited.CACertHash, "command": invited.Command()}
		if !invited.Expires.IsZero() {
			out["expires"] = invited.Expires.UTC().Format(time.RFC3339)
		}
		return printJSON(cmd.OutOrStdout(), out)
	}
	_, err = fmt.Fprintln(cmd.OutOrStdout(), invited.Command())
	return err
}
