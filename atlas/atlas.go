package atlas

import (
	"fmt"
	"io/fs"
	"strings"

	"github.com/podling/podling/examples"
	"github.com/podling/podling/explain"
	"github.com/podling/podling/lifecycle/reason"
)

// Entry is a word with all that there is to show of it; `podling atlas NAME -o json` prints a list of them.
type Entry struct {
	Name    string      `json:"name"`
	Kind    reason.Kind `json:"kind"`
	Aliases []string    `json:"aliases"`
	// Where is a JSONPath at which the word is seen.
	Where   string   `json:"where"`
	Meaning string   `json:"meaning"`
	Causes  []string `json:"causes"`
	By      string   `json:"by"`
	Next    string   `json:"next"`
	Fix     []string `json:"fix"`
	Source  []string `json:"source"`
	// Before and After are what was recorded at the same place right before and right after the word.
	Before []string `json:"before"`
	After  []string `json:"after"`
	// Example is the name of a manifest that produces it, "" if there is none; How says how it does.
	Example  string `json:"example"`
	How      string `json:"how"`
	Manifest string `json:"manifest"`
	// Recording is what the manifest showed; nil if it could not be recorded.
	Recording *Recording `json:"recording,omitempty"`
}

// All are the entries in a language, in the order of lifecycle/reason.
func All(l Language) ([]Entry, error) {
	return entries(reason.All(), l)
}

// Find are the entries of a name in a language; the error names one that is near.
func Find(name string, l Language) ([]Entry, error) {
	found := reason.Find(name)
	if len(found) > 0 {
		return entries(found, l)
	}
	var names []string
	for _, r := range reason.All() {
		names = append(append(names, r.Name), r.Aliases...)
	}
	if near := explain.Nearest(name, names); near != "" {
		return nil, fmt.Errorf("%q is not in the atlas; did you mean %s?", name, near)
	}
	return nil, fmt.Errorf("%q is not in the atlas; podling atlas lists what is", name)
}

func entries(reasons []reason.Reason, l Language) ([]Entry, error) {
	text, err := l.texts()
	if err != nil {
		return nil, err
	}
	seen, err := transitions()
	if err != nil {
		return nil, err
	}
	var out []Entry
	for _, r := range reasons {
		e := Entry{
			Name: r.Name, Kind: r.Kind, Aliases: append([]string{}, r.Aliases...), Where: r.Where, Meaning: text.of(r.Meaning), Causes: text.all(r.Causes), By: text.of(r.By),
			Next: text.of(r.Next), Fix: text.all(r.Fix), Source: r.Source, Example: r.Example.File, How: text.of(r.Example.How),
			Before: seen.before(r), After: seen.after(r),
		}
		if e.Example != "" {
			manifest, err := fs.ReadFile(examples.Reasons, "reasons/"+e.Example)
			if err != nil {
				return nil, err
			}
			e.Manifest = string(manifest)
			if e.Recording, err = recordingOf(e.Example); err != nil {
				return nil, err
			}
		}
		out = append(out, e)
	}
	return out, nil
}

// title is the word with its kind, as a heading has it.
func (e *Entry) title() string {
	return fmt.Sprintf("%s (%s)", e.Name, e.Kind)
}

// file is the name of the entry's page, without its ending: words that differ in case alone do not exist.
func (e *Entry) file() string {
	return strings.ToLower(string(e.Kind)) + "-" + e.Name
}
