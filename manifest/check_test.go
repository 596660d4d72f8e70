package manifest

import (
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// Each file of testdata/check holds manifests; the output is what Read and Check say about them.
//
//	check [file=NAME]
func TestCheck(t *testing.T) {
	datadriven.Walk(t, "testdata/check", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			input := strings.NewReplacer("→", "\t", "␀", "\x00").Replace(d.Input)
			docs, err := Read([]string{"-"}, strings.NewReader(input))
			if err == nil {
				err = Check(docs)
			}
			if err != nil {
				return err.Error() + "\n"
			}
			var out strings.Builder
			for _, doc := range docs {
				out.WriteString(doc.String() + "\n")
			}
			return out.String()
		})
	})
}
