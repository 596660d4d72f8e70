package trial

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// testdata/judge.txt holds pods, how they stand to each goal, and why in a line; and objects, with how
// many pods of them are waited for.
func TestJudge(t *testing.T) {
	names := map[verdict]string{open: "open", reached: "reached", lost: "lost"}
	datadriven.RunTest(t, "testdata/judge.txt", func(t *testing.T, d *datadriven.TestData) string {
		var out strings.Builder
		switch d.Cmd {
		case "pod":
			var pod v1.Pod
			if err := yaml.UnmarshalStrict([]byte(d.Input), &pod); err != nil {
				t.Fatal(err)
			}
			for _, name := range append([]string{""}, Goals...) {
				goal, err := ParseGoal(name)
				if err != nil {
					t.Fatal(err)
				}
				fmt.Fprintf(&out, "%s: %s\n", goal, names[goal.judge(&pod)])
			}
			fmt.Fprintln(&out, why(&pod))
		case "wanted":
			o := &unstructured.Unstructured{}
			text, err := yaml.YAMLToJSON([]byte(d.Input))
			if err != nil {
				t.Fatal(err)
			}
			if err := o.UnmarshalJSON(text); err != nil {
				t.Fatal(err)
			}
			for _, goal := range []Goal{ReadyOrFinished, Succeeded} {
				fmt.Fprintf(&out, "%s: %d\n", goal, wanted(o, goal))
			}
		}
		return out.String()
	})
}

func TestNoSuchGoal(t *testing.T) {
	if _, err := ParseGoal("done"); err == nil || !strings.Contains(err.Error(), `"done"`) || !strings.Contains(err.Error(), "completed") {
		t.Errorf("got %v", err)
	}
}
