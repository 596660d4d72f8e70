package trace

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// testdata/diff.txt has two recordings each, with a line of = between them; where their ways part is
// printed.
func TestDiff(t *testing.T) {
	datadriven.RunTest(t, "testdata/diff.txt", func(t *testing.T, d *datadriven.TestData) string {
		a, b, _ := strings.Cut(d.Input, "\n===\n")
		var ways [2][]Step
		var out strings.Builder
		for i, text := range []string{a, b} {
			rec, err := ReadRecording(strings.NewReader(text))
			if err != nil || len(rec.Problems) > 0 {
				t.Fatalf("%s: %v %v", d.Pos, err, rec.Problems)
			}
			var past bool
			if ways[i], past = Steps(rec.Events); past {
				out.WriteString("by what the pod tells of its past\n")
			}
		}
		at, differ := Diff(ways[0], ways[1])
		fmt.Fprintf(&out, "%d the same\n", at.Same)
		if !differ {
			return out.String() + "no difference\n"
		}
		fmt.Fprintf(&out, "A: %s\nB: %s\n", strings.Join(at.A.Facts, "; "), strings.Join(at.B.Facts, "; "))
		return out.String()
	})
}
