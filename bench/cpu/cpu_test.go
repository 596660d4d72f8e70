package cpu

import (
	"os"
	"os/exec"
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	used, err := parse("4711 (a) (b c) S 1 4711 4711 0 -1 4194560 2153 7 0 0 150 30 20 5 20 0 9 0 1234 1000 200\n")
	if err != nil || used != 2050*time.Millisecond {
		t.Errorf("parse = %v, %v; want 2.05s", used, err)
	}
	for _, text := range []string{"", "1 (a) S 1", "1 (a) S 1 4711 4711 0 -1 4194560 2153 7 0 0 many 30 20 5 20"} {
		if used, err := parse(text); err == nil {
			t.Errorf("parse(%q) = %v; want an error", text, used)
		}
	}
}

// TestOf: a process that works uses time, and so has its parent when it has ended.
func TestOf(t *testing.T) {
	before, err := Of(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	work := exec.Command("sh", "-c", "i=0; while [ $i -lt 50000 ]; do i=$((i+1)); done")
	if err := work.Run(); err != nil {
		t.Fatal(err)
	}
	after, err := Of(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if after <= before {
		t.Errorf("%v before the work and %v after", before, after)
	}
	if _, err := Of(-1); err == nil {
		t.Error("no error for a process that cannot be")
	}
}
