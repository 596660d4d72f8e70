package cluster

import (
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
)

// TestForgetProgram: what is resident of the program's file shrinks, and the program runs on.
func TestForgetProgram(t *testing.T) {
	before := resident(t, "RssFile:")
	if err := forgetProgram(); err != nil {
		t.Fatal(err)
	}
	after := resident(t, "RssFile:")
	if after >= before/2 {
		t.Errorf("%d kB of files are resident, %d kB before", after, before)
	}
}

func TestCollectorIsSetBack(t *testing.T) {
	before := debug.SetGCPercent(200)
	defer debug.SetGCPercent(before)
	first, second := collect(RuntimeContainerd), collect(RuntimeSim)
	first()
	if got := debug.SetGCPercent(startGCPercent); got != startGCPercent {
		t.Errorf("while a cluster starts it is %d", got)
	}
	second()
	if got := debug.SetGCPercent(200); got != 200 {
		t.Errorf("afterwards it is %d, and was 200", got)
	}
}

// resident reads a figure of /proc/self/status, in kB.
func resident(t *testing.T, name string) int {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == name {
			kB, err := strconv.Atoi(fields[1])
			if err != nil {
				t.Fatal(err)
			}
			return kB
		}
	}
	t.Fatalf("/proc/self/status has no %s", name)
	return 0
}
