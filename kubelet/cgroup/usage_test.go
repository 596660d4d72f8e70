package cgroup

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
)

// A process that is put into the pod's group counts, as does its memory.
func TestManagerUsage(t *testing.T) {
	m := newManager(t)
	p := pod("a", list("memory", "64Mi"), nil)
	if _, err := m.Processes(p.UID); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("processes of a pod without group: %v, want %v", err, fs.ErrNotExist)
	}
	if _, err := m.Memory(p.UID); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("memory of a pod without group: %v, want %v", err, fs.ErrNotExist)
	}
	group, err := m.Ensure(p)
	if err != nil {
		t.Fatal(err)
	}
	cat := exec.Command("cat") // ended below, not with the context
	stdin, err := cat.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cat.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(stdin.Close(), cat.Wait()); err != nil {
			t.Error(err)
		}
	})
	for _, folder := range m.hierarchies.limiting(group) {
		if err := os.WriteFile(filepath.Join(folder, "cgroup.procs"), []byte(strconv.Itoa(cat.Process.Pid)), 0); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := m.Processes(p.UID); err != nil || n != 1 {
		t.Errorf("%d processes, %v; want the one", n, err)
	}
	switch used, err := m.Memory(p.UID); {
	case errors.Is(err, fs.ErrNotExist) && m.hierarchies.unified: // v2 without its memory controller, beside v1
	case err != nil || used > 64<<20:
		t.Errorf("%d bytes, %v; want what one process takes at most", used, err)
	}
}
