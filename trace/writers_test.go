package trace

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	v1 "k8s.io/api/core/v1"
)

// testdata/writers.txt goes from state to state of one pod; who made the changes is printed.
func TestWriters(t *testing.T) {
	var was *v1.Pod
	datadriven.RunTest(t, "testdata/writers.txt", func(t *testing.T, d *datadriven.TestData) string {
		is := readPod(t, d.Input)
		if d.Cmd == "added" {
			was = nil
		}
		var out strings.Builder
		for _, w := range writers(was, is, Compare(was, is)) {
			fmt.Fprintf(&out, "%s: %s", w, strings.Join(w.Changed, ", "))
			if w.Inferred {
				out.WriteString(" (inferred)")
			}
			out.WriteString("\n")
		}
		was = is
		if out.Len() == 0 {
			return "nobody is named\n"
		}
		return out.String()
	})
}
