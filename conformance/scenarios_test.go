package conformance

import (
	"strings"
	"testing"

	"github.com/podling/podling/conformance/launch"
)

// atOnce is how many scenarios run side by side: most of them wait.
const atOnce = 5

// TestScenarios plays on podling every scenario that it held before; holds.txt only
// grows. It needs root, `make build`, and a static busybox.
func TestScenarios(t *testing.T) {
	names, err := Names("holds.txt")
	if err != nil {
		t.Fatal(err)
	}
	scenarios, err := Scenarios("scenarios", names...)
	if err != nil {
		t.Fatal(err)
	}
	binary, err := launch.Binary("..")
	if err != nil {
		t.Fatal(err)
	}
	runner, stop, err := Podling(t.Context(), binary)
	if err != nil {
		t.Fatal(err)
	}
	runner.Jobs = atOnce
	err = runner.Run(t.Context(), scenarios, func(r Result) {
		t.Run(r.Scenario.Name, func(t *testing.T) {
			t.Logf("took %v", r.Took)
			if r.Err != nil {
				t.Fatal(r.Err)
			}
			if !r.Verdict.Holds() {
				t.Errorf("does not hold:\n%s", strings.Join(r.Verdict.Differences, "\n"))
			}
		})
	})
	if err != nil {
		t.Error(err)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}
