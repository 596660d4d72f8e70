package conformance

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/podling/podling/conformance/launch"
)

const (
	// atOnce is how many scenarios run side by side: most of them wait.
	atOnce = 5
	// atOnceSimulated is that where containers cost nothing. More would have Events, which
	// are written one after the other, come later than a scenario looks for them.
	atOnceSimulated = 8
)

// TestScenarios plays on podling every scenario that it held before; holds.txt only
// grows. It needs root, `make build`, and a static busybox.
func TestScenarios(t *testing.T) {
	playAll(t, Podling, atOnce, names(t, "holds.txt"))
}

// TestSimulated plays on a simulated node every scenario that needs no real one;
// holds-sim.txt only grows. It needs `make podling`, and nothing else.
func TestSimulated(t *testing.T) {
	playAll(t, Simulated, atOnceSimulated, names(t, "holds-sim.txt"))
}

// TestSimulatedLists: each scenario is played on a simulated node, or it is said why
// it cannot be.
func TestSimulatedLists(t *testing.T) {
	all, err := Scenarios("scenarios")
	if err != nil {
		t.Fatal(err)
	}
	why, err := Reasons("needs-real.txt")
	if err != nil {
		t.Fatal(err)
	}
	held := names(t, "holds-sim.txt")
	for _, s := range all {
		_, real := why[s.Name]
		if simulated := slices.Contains(held, s.Name); simulated == real {
			t.Errorf("%s: in holds-sim.txt: %t, in needs-real.txt: %t; want it in one of them", s.Name, simulated, real)
		}
		delete(why, s.Name)
	}
	for name := range why {
		t.Errorf("needs-real.txt: %s is no scenario", name)
	}
}

func names(t *testing.T, list string) []string {
	t.Helper()
	names, err := Names(list)
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// playAll plays scenarios on what up brings up, and fails for those that do not hold.
func playAll(t *testing.T, up func(ctx context.Context, binary string) (Runner, func() error, error), jobs int, names []string) {
	scenarios, err := Scenarios("scenarios", names...)
	if err != nil {
		t.Fatal(err)
	}
	binary, err := launch.Binary("..")
	if err != nil {
		t.Fatal(err)
	}
	runner, stop, err := up(t.Context(), binary)
	if err != nil {
		t.Fatal(err)
	}
	report := func(r Result) {
		t.Run(r.Scenario.Name, func(t *testing.T) {
			t.Logf("took %v", r.Took)
			if r.Err != nil {
				t.Fatal(r.Err)
			}
			if !r.Verdict.Holds() {
				t.Errorf("does not hold:\n%s", strings.Join(r.Verdict.Differences, "\n"))
			}
		})
	}
	var crowd, alone []Scenario
	single, err := Names("alone.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range scenarios {
		if slices.Contains(single, s.Name) {
			alone = append(alone, s)
		} else {
			crowd = append(crowd, s)
		}
	}
	runner.Jobs = jobs
	err = runner.Run(t.Context(), crowd, report)
	runner.Jobs = 1
	if err := errors.Join(err, runner.Run(t.Context(), alone, report)); err != nil {
		t.Error(err)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}
