package conformance

import (
	"testing"

	"github.com/podling/podling/conformance/launch"
	"github.com/podling/podling/conformance/survive"
)

// TestFaults kills podling at some steps of pods' start and end; `make faults` does so, and more, at all
// of them. Between a container's making and its first words it is killed where most was once lost.
func TestFaults(t *testing.T) {
	binary, err := launch.Binary("..")
	if err != nil {
		t.Fatal(err)
	}
	results, err := survive.Campaign{
		Binary: binary, Folder: t.TempDir(), Times: 1,
		Faults: []string{"podling"}, Steps: []string{"bound", "container created", "container started", "SIGTERM or preStop"},
	}.Run(t.Context())
	if err != nil {
		t.Error(err)
	}
	if len(results) != 4 {
		t.Errorf("%d trials were made, want 4", len(results))
	}
	for _, r := range results {
		for _, problem := range r.Problems {
			t.Errorf("%s killed at %q: %s", r.Fault, r.Step, problem)
		}
	}
}
