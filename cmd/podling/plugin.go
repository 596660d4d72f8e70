package main

import (
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
)

// The names under which podling is called by kubectl: links to the binary, somewhere on the PATH.
const (
	pluginName   = "kubectl-podling"          // kubectl podling ...
	completeName = "kubectl_complete-podling" // what kubectl asks to complete kubectl podling ...
)

// asCalled turns the name that the program was called by into what it does: a plugin of kubectl says
// so in its help and looks at kubectl's cluster; and kubectl's request for completions is cobra's.
func asCalled(root *cobra.Command, name string, args []string) []string {
	name = strings.TrimSuffix(filepath.Base(name), ".exe")
	if name != pluginName && name != completeName {
		return args
	}
	root.Annotations = map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl podling"}
	for _, cmd := range root.Commands() {
		cmd.Example = strings.ReplaceAll(cmd.Example, "  podling ", "  kubectl podling ")
		// Clusters are podling's own business; kubectl is there already.
		cmd.Hidden = cmd.Hidden || cmd.Name() == "kubectl" || cmd.Name() == "up"
	}
	if name == completeName {
		return append([]string{cobra.ShellCompRequestCmd}, args...)
	}
	return args
}

// isPlugin says whether kubectl called.
func isPlugin(cmd *cobra.Command) bool {
	return cmd.Root().Annotations[cobra.CommandDisplayNameAnnotation] != ""
}
