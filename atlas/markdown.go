package atlas

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Markdown is the atlas as files, by their path: README.md and a page for each entry, and the same in
// Chinese below zh.
func Markdown() (map[string][]byte, error) {
	out := map[string][]byte{}
	for _, l := range Languages {
		all, err := All(l)
		if err != nil {
			return nil, err
		}
		dir, otherDir := "", "zh/"
		if l == Chinese {
			dir, otherDir = "zh/", "../"
		}
		index, err := index(all, l, otherDir)
		if err != nil {
			return nil, err
		}
		out[dir+"README.md"] = index
		for _, e := range all {
			out[dir+e.file()+".md"] = append(out[dir+e.file()+".md"], page(&e, l, otherDir)...)
		}
	}
	return out, nil
}

// WriteMarkdown writes the files below dir, and removes pages that are no longer made.
func WriteMarkdown(dir string) error {
	files, err := Markdown()
	if err != nil {
		return err
	}
	for _, pattern := range []string{"*.md", "zh/*.md"} {
		old, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return err
		}
		for _, path := range old {
			if err := os.Remove(path); err != nil {
				return err
			}
		}
	}
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func index(all []Entry, l Language, otherDir string) ([]byte, error) {
	h := l.heads()
	var b bytes.Buffer
	fmt.Fprintf(&b, "# %s\n\n[%s](%sREADME.md)\n\n%s\n\n## %s\n", h.title, h.other, otherDir, h.lead, h.list)
	for _, kind := range kinds {
		fmt.Fprintf(&b, "\n### %s\n\n| | |\n|---|---|\n", h.kind[kind])
		done := map[string]bool{}
		for _, e := range all {
			if e.Kind == kind && !done[e.Name] {
				done[e.Name] = true
				fmt.Fprintf(&b, "| [%s](%s.md) | %s |\n", e.Name, e.file(), cell(e.Meaning))
			}
		}
	}
	seen, err := transitions()
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(&b, "\n## %s\n", h.diagrams)
	for _, at := range []place{phasePlace, containerPlace, "PodScheduled", "PodReadyToStartContainers", "Initialized", "Ready", "DisruptionTarget"} {
		fmt.Fprintf(&b, "\n### %s\n\n```mermaid\n%s```\n", at, seen.diagram(at))
	}
	return b.Bytes(), nil
}

func page(e *Entry, l Language, otherDir string) []byte {
	h := l.heads()
	var b bytes.Buffer
	fmt.Fprintf(&b, "# %s\n\n[%s](README.md) · [%s](%s%s.md)\n\n%s\n", e.title(), h.title, h.other, otherDir, e.file(), prose(e.Meaning))
	items := func(title string, list []string, code bool) {
		if len(list) == 0 {
			return
		}
		fmt.Fprintf(&b, "\n## %s\n\n", title)
		for _, item := range list {
			if code {
				item = "`" + item + "`"
			} else {
				item = prose(item)
			}
			fmt.Fprintf(&b, "- %s\n", item)
		}
	}
	items(h.aliases, e.Aliases, true)
	items(h.where, []string{e.Where}, true)
	items(h.by, []string{e.By}, false)
	items(h.causes, e.Causes, false)
	items(h.before, e.Before, true)
	items(h.after, e.After, true)
	fmt.Fprintf(&b, "\n## %s\n\n%s\n", h.next, prose(e.Next))
	items(h.fix, e.Fix, false)
	if e.Example == "" {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n", h.none, prose(e.How))
	} else {
		fmt.Fprintf(&b, "\n## %s\n\nexamples/reasons/%s: %s\n\n```yaml\n%s\n```\n", h.example, e.Example, prose(e.How), strings.TrimRight(e.Manifest, "\n"))
	}
	if e.Recording != nil {
		fmt.Fprintf(&b, "\n## %s\n\n```\n%s```\n", h.recording, e.Recording)
	}
	items(h.source, e.Source, true)
	return append(b.Bytes(), '\n')
}

// prose keeps what would be markup in a sentence.
func prose(text string) string {
	return strings.NewReplacer("<", "&lt;", "*", `\*`, "_", `\_`, "`", "\\`").Replace(text)
}

func cell(text string) string { return strings.ReplaceAll(prose(text), "|", `\|`) }
