package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/podling/podling/atlas"
	"github.com/podling/podling/lifecycle/reason"
)

// newAtlasCommand is `podling atlas`.
func newAtlasCommand() *cobra.Command {
	var language, output, markdown string
	cmd := &cobra.Command{
		Use:   "atlas [NAME]",
		Short: "What a phase, condition, reason or Event of a pod means, with an example that was recorded",
		Long: `What every phase, condition, container state, reason and Event of a pod means: what brings it about, who
says it, what is next, what to do; what was recorded right before and after it; a manifest that produces
it, and the event stream that was recorded of that. Without a name it lists all. No cluster is needed.`,
		Example: `  podling atlas
  podling atlas CrashLoopBackOff
  podling atlas OOMKilled --lang zh
  podling atlas Unschedulable -o json`,
		Args: cobra.MaximumNArgs(1),
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			var names []string
			for _, r := range reason.All() {
				if len(args) == 0 && !slices.Contains(names, r.Name) {
					names = append(names, r.Name)
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			l := atlas.Language(language)
			switch {
			case !slices.Contains(atlas.Languages, l):
				return usageError{fmt.Errorf("--lang %q is not known: it is en or zh", language)}
			case checkOutput(output) != nil:
				return checkOutput(output)
			case markdown != "" && len(args) > 0:
				return usageError{fmt.Errorf("--markdown writes the whole atlas, and takes no name")}
			case markdown != "":
				return atlas.WriteMarkdown(markdown)
			}
			return showAtlas(cmd.OutOrStdout(), args, l, output)
		},
	}
	cmd.Flags().StringVar(&language, "lang", string(atlas.English), "the language: en or zh")
	cmd.Flags().StringVar(&markdown, "markdown", "", "write the whole atlas, in all languages, as Markdown below this folder")
	cmd.Flags().StringVarP(&output, "output", "o", outputText, "text, or json")
	completeWith(cmd, "output", outputText, outputJSON)
	completeWith(cmd, "lang", string(atlas.English), string(atlas.Chinese))
	return cmd
}

func showAtlas(out io.Writer, args []string, l atlas.Language, output string) error {
	if len(args) == 0 && output == outputText {
		return atlas.List(out, l)
	}
	find := atlas.All
	if len(args) > 0 {
		find = func(l atlas.Language) ([]atlas.Entry, error) { return atlas.Find(args[0], l) }
	}
	found, err := find(l)
	if err != nil {
		return err
	}
	if output == outputJSON {
		encoder := json.NewEncoder(out)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		return encoder.Encode(found)
	}
	for i := range found {
		if i > 0 {
			if _, err := fmt.Fprintln(out); err != nil {
				return err
			}
		}
		if err := atlas.Print(out, &found[i], l); err != nil {
			return err
		}
	}
	return nil
}
