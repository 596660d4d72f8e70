package sim

import (
	"testing"
	"time"
)

// TestAsking: the command of a probe or hook is run, unless the script says what it answers
// or nobody knows the container's program.
func TestAsking(t *testing.T) {
	n := newNode(t, "")
	plain := n.start("", "sleep", "3600")
	said := n.start("probes: {readiness: [{after: 5s, ok: true, output: fine}, {after: 10s, took: 3s}, {after: 20s, output: tired}]}\nhooks: {postStart: {took: 2s}, preStop: {error: no}}", "sleep", "3600")
	own := n.create(n.sandbox(n.pod("own", "")), containerConfig(0, "nginx"))
	if err := n.StartContainer(t.Context(), own); err != nil {
		t.Fatal(err)
	}
	began := n.clk.Now()
	for _, test := range []struct {
		at            time.Duration
		id, kind      string
		command       []string
		output, errIs string
		took          time.Duration
	}{
		{0, plain, "Liveness", []string{"sh", "-c", "echo no; exit 3"}, "no\n", "command 'sh -c echo no; exit 3' exited with 3: ", 0},
		{0, plain, "PostStart", []string{"sleep", "5"}, "", `command timed out: "sleep 5" timed out after 1s`, time.Second},
		{0, own, "Startup", []string{"no-such"}, "", "", 0},
		{0, own, "PreStop", []string{"no-such"}, "", "", 0},
		{2 * time.Second, said, "Readiness", []string{"true"}, "", "command 'true' exited with 1: ", 0},  // not yet
		{2 * time.Second, said, "Liveness", []string{"false"}, "", "command 'false' exited with 1: ", 0}, // of which nothing is said
		{6 * time.Second, said, "readiness", []string{"false"}, "fine", "", 0},
		{11 * time.Second, said, "readiness", []string{"true"}, "", `command timed out: "true" timed out after 1s`, time.Second},
		{21 * time.Second, said, "Readiness", []string{"true"}, "tired", "command 'true' exited with 1: ", 0},
		{22 * time.Second, said, "PostStart", []string{"false"}, "", "", 2 * time.Second},
		{25 * time.Second, said, "preStop", []string{"true"}, "", "no", 0},
	} {
		n.clk.Sleep(test.at - n.clk.Since(began))
		asked := n.clk.Now()
		stdout, stderr, err := n.ExecSync(n.Asking(t.Context(), test.kind), test.id, test.command, time.Second)
		text := ""
		if err != nil {
			text = err.Error()
		}
		if got := string(stdout) + string(stderr); got != test.output || text != test.errIs || n.clk.Since(asked) != test.took {
			t.Errorf("%s %q at %v: %q, error %q after %v; want %q, %q after %v", test.kind, test.command, test.at, got, text, n.clk.Since(asked), test.output, test.errIs, test.took)
		}
	}
	if _, _, err := n.ExecSync(n.Asking(t.Context(), "Readiness"), plain, []string{"no-such"}, time.Second); err == nil {
		t.Error("a command that is not there: no error")
	}
}
