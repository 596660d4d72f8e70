package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/component-base/cli"
	"k8s.io/kubectl/pkg/cmd"
	"k8s.io/kubectl/pkg/cmd/plugin"
	"k8s.io/kubectl/pkg/cmd/util"

	"github.com/podling/podling/cluster"
)

// newKubectlCommand is `podling kubectl`: kubectl itself, which needs nothing else to be installed,
// with podling's kubeconfig. Flags, output and exit codes are kubectl's.
func newKubectlCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "kubectl ...",
		Short: "kubectl, for podling's cluster",
		Long: `kubectl itself, for the cluster that podling up brought up: its kubeconfig is used unless --kubeconfig
names another. $KUBECONFIG is not looked at. podling kubectl --help lists kubectl's commands.`,
		DisableFlagParsing: true,
		RunE:               func(_ *cobra.Command, args []string) error { return kubectl(args) },
		ValidArgsFunction: func(_ *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
			// kubectl prints its completions itself.
			if err := kubectl(append(append([]string{cobra.ShellCompRequestCmd}, args...), toComplete)); err != nil {
				return nil, cobra.ShellCompDirectiveError
			}
			os.Exit(0)
			return nil, cobra.ShellCompDirectiveDefault
		},
	}
}

// kubectl runs kubectl, which ends the process itself when it fails.
func kubectl(args []string) error {
	kubeconfig, err := cluster.DefaultKubeconfig()
	if err != nil {
		return err
	}
	streams := genericiooptions.IOStreams{In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr}
	flags := genericclioptions.NewConfigFlags(true).WithDeprecatedPasswordFlag().WithDiscoveryBurst(300).WithDiscoveryQPS(50).WithWarningPrinter(streams)
	*flags.KubeConfig = kubeconfig // the default: --kubeconfig names another
	util.BehaviorOnFatal(func(message string, code int) {
		fmt.Fprintln(os.Stderr, message)
		if _, err := os.Stat(kubeconfig); errors.Is(err, fs.ErrNotExist) && strings.Contains(message, kubeconfig) {
			fmt.Fprintln(os.Stderr, "start a cluster with `podling up`, or name another with --kubeconfig")
		}
		os.Exit(code)
	})
	command := cmd.NewDefaultKubectlCommandWithArgs(cmd.KubectlOptions{
		PluginHandler: cmd.NewDefaultPluginHandler(plugin.ValidPluginFilenamePrefixes),
		Arguments:     append([]string{"kubectl"}, args...),
		ConfigFlags:   flags,
		IOStreams:     streams,
	})
	command.SetArgs(args)
	if err := cli.RunNoErrOutput(command); err != nil {
		util.CheckErr(err)
	}
	return nil
}
