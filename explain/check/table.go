package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
)

// writeTable writes what came out, case by case.
func writeTable(path string, results []Result) error {
	var b bytes.Buffer
	fmt.Fprint(&b, `# Does explain name the true root cause?

`+"`go run ./explain/check -write`"+` made this table: it makes each broken pod of
[explain/testdata/broken](../explain/testdata/broken) on podling's own cluster, with simulated
containers, and explains it until its true root cause is named; a verdict of any other cause on the
way counts as wrong. `+"`-kubeconfig FILE`"+` plays them on any other cluster. Beside the first sentence
of `+"`podling explain`"+` stands what `+"`kubectl describe`"+` has on the same object at the same time:
states, reasons and its last warning.

The conformance scenarios, explained from their recordings of upstream Kubernetes, are in
[explain/testdata/scenarios.txt](../explain/testdata/scenarios.txt).

| case | what is wrong | root cause | podling explain | kubectl describe |
|---|---|---|---|---|
`)
	for _, r := range results {
		said := r.Got.Verdict
		switch {
		case said == "" && r.Err == nil:
			said = "(needs " + r.Case.Only + ")"
		case !r.Right():
			said = "**wrong** " + said
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", r.Case.Name, cell(r.Case.What), r.Case.Expect, cell(said), cell(r.Instead))
	}
	return os.WriteFile(path, b.Bytes(), 0o644)
}

// cell makes a text fit for a table, and takes out what is another in every run.
func cell(text string) string {
	words := strings.Fields(text)
	for i, w := range words {
		if at := strings.Index(w, "broken-"); at >= 0 && !strings.HasPrefix(w[at:], "broken-tainted") {
			end := at + len("broken-")
			for end < len(w) && (w[end] >= 'a' && w[end] <= 'z' || w[end] >= '0' && w[end] <= '9') {
				end++
			}
			words[i] = w[:at] + "default" + w[end:]
		}
	}
	return strings.NewReplacer("|", `\|`, "<", "&lt;", "*", `\*`).Replace(strings.Join(words, " "))
}
