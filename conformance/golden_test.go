package conformance

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// TestMerge makes golden files of recordings given as words: see testdata/golden.
func TestMerge(t *testing.T) {
	datadriven.RunTest(t, "testdata/golden", func(t *testing.T, d *datadriven.TestData) string {
		var recordings, longer []*Recording
		for line := range strings.Lines(d.Input) {
			f := strings.Fields(line)
			r := &Recording{Steps: done, Pods: map[string][]Step{"p": {}}, Columns: map[string][]Row{}, Events: map[string][]Event{}}
			showItems(r, "p", f[1], f[2:])
			switch f[0] {
			case "recording":
				recordings = append(recordings, r)
			case "failed":
				r.Steps = "failed: " + f[0]
				recordings = append(recordings, r)
			case "longer":
				longer = append(longer, r)
			}
		}
		g, err := merge("made-up", recordings, longer)
		if err != nil {
			return err.Error()
		}
		var b strings.Builder
		for _, view := range []string{viewStates, viewColumns, viewEvents} {
			if w := g.Pods["p"][view]; len(w.May) > 0 {
				fmt.Fprintf(&b, "%s must %s\n%s may %s\n", view, itemWords(w.Must), view, itemWords(w.May))
			}
		}
		return b.String()
	})
}

// itemWords is wordItem's inverse.
func itemWords(items []any) string {
	var words []string
	for _, item := range items {
		switch item := item.(type) {
		case map[string]any:
			words = append(words, fmt.Sprint(item["phase"]))
		case []any:
			words = append(words, fmt.Sprint(item[1]))
		}
	}
	return strings.Join(words, " ")
}

// TestWriteGolden: what was recorded holds against the golden file made of it.
func TestWriteGolden(t *testing.T) {
	one := &Recording{Steps: done, Pods: map[string][]Step{}, Columns: map[string][]Row{}, Events: map[string][]Event{}}
	showItems(one, "p", viewStates, []string{"Pending", "Running/True"})
	showItems(one, "p", viewEvents, []string{"<Scheduled>"})
	s := Scenario{Name: "made-up", Dir: t.TempDir()}
	if err := WriteGolden(s, []*Recording{one, one}, nil); err != nil {
		t.Fatal(err)
	}
	if v, err := Check(s, one); err != nil || !v.Exact() {
		t.Errorf("check: %+v, %v; want that it holds", v, err)
	}
	text, err := os.ReadFile(filepath.Join(s.Dir, "golden.json"))
	if err != nil || !strings.Contains(string(text), `"<Scheduled>"`) {
		t.Errorf("golden file %s, %v; want what was shown, readable", text, err)
	}
}
