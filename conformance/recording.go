package conformance

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// done is what a recording's Steps say when the scenario's script ended well.
const done = "done"

// A Recording is what one run of a scenario showed, pod by pod. Pods whose names
// the server made up are numbered in the order in which they appeared.
type Recording struct {
	Scenario string             `json:"scenario"`
	Steps    string             `json:"steps"` // "done", or "failed: " and the end of what the script printed
	Pods     map[string][]Step  `json:"pods"`
	Columns  map[string][]Row   `json:"columns"`
	Events   map[string][]Event `json:"events"`
}

// A Step is one watch event that showed something new.
type Step struct {
	Event  string            `json:"event"` // ADDED, MODIFIED or DELETED
	State  State             `json:"state"`
	Extras map[string]string `json:"extras"` // container name to its detail, as one line of JSON
	T      float64           `json:"t"`      // seconds since the steps began
	Raw    json.RawMessage   `json:"raw"`    // the status as it came
}

// A Row is what kubectl prints in READY, STATUS and RESTARTS.
type Row [3]string

// An Event is a core/v1 Event's type, its reason and who reported it.
type Event [3]string

// Parse reads a recording, with the name of the namespace that it was made in
// taken out wherever it stands.
func Parse(text []byte) (*Recording, error) {
	var r Recording
	if err := json.Unmarshal(withoutNamespaces(text), &r); err != nil {
		return nil, fmt.Errorf("not a recording: %w", err)
	}
	if r.Pods == nil || r.Steps == "" {
		return nil, fmt.Errorf("not a recording: it has no %q or no %q", "pods", "steps")
	}
	return &r, nil
}

// Load reads the recording of a scenario from a folder of them.
func Load(dir, scenario string) (*Recording, error) {
	path := filepath.Join(dir, scenario+".json")
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	r, err := Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}

// encode is a value as a file of this package holds it.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false) // people read these files
	encoder.SetIndent("", " ")
	err := encoder.Encode(v)
	return b.Bytes(), err
}

// ordered is a set of events as a recording keeps it.
func ordered(set map[Event]bool) []Event {
	return slices.SortedFunc(maps.Keys(set), func(a, b Event) int {
		return slices.CompareFunc(a[:], b[:], cmp.Compare[string])
	})
}
