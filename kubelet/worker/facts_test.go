package worker

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/podling/podling/lifecycle"
)

// Of two containers that were made in one moment, as virtual time has it, the
// newer one is the one that was started more often.
func TestNewestOfOneMoment(t *testing.T) {
	at := time.Unix(1, 0)
	var list []lifecycle.Container
	for i, id := range []string{"a", "b", "c"} {
		list = upsert(list, lifecycle.Container{ID: id, Name: "main", CreatedAt: at, RestartCount: int32(i)})
	}
	if list[0].ID != "c" || list[2].ID != "a" {
		t.Errorf("the newest comes first, not %v", list)
	}
}

// When the clock is put back between two starts, the newer one is still the newer one.
func TestNewestWhenTheClockIsPutBack(t *testing.T) {
	noon := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	list := upsert(nil, lifecycle.Container{ID: "old", Name: "main", CreatedAt: noon, State: lifecycle.Exited})
	list = upsert(list, lifecycle.Container{ID: "new", Name: "main", CreatedAt: noon.Add(-time.Hour), RestartCount: 1, State: lifecycle.Running})
	if list[0].ID != "new" {
		t.Errorf("the newest container comes first, not %v", list)
	}
	boxes := upsertSandbox(nil, lifecycle.Sandbox{ID: "old", CreatedAt: noon})
	boxes = upsertSandbox(boxes, lifecycle.Sandbox{ID: "new", CreatedAt: noon.Add(-time.Hour), Attempt: 1, Ready: true})
	if boxes[0].ID != "new" {
		t.Errorf("the newest sandbox comes first, not %v", boxes)
	}
}

// A start that was cut off with the node that asked for it is no start that failed.
func TestNeverBegan(t *testing.T) {
	for message, want := range map[string]lifecycle.ContainerState{
		"failed to create containerd task: failed to create shim task: context canceled":                          lifecycle.Created,
		`failed to start containerd task "0123": context canceled`:                                                lifecycle.Exited,
		`failed to create containerd task: failed to create shim task: exec: "nosuch": executable file not found`: lifecycle.Exited,
	} {
		s := &runtimeapi.ContainerStatus{State: runtimeapi.ContainerState_CONTAINER_EXITED, Reason: "StartError", ExitCode: 128, Message: message}
		if got := containerFact("containerd", "box", s); got.State != want {
			t.Errorf("%q: %s, want %s", message, got.State, want)
		}
		s.StartedAt = 1
		if got := containerFact("containerd", "box", s); got.State != lifecycle.Exited {
			t.Errorf("%q of one that started: %s", message, got.State)
		}
	}
}

// What a container put in the place of its message file leads nowhere, and holds nobody up.
func TestTailOfWhatIsNoFile(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	if err := os.WriteFile(at("file"), []byte("last words"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Symlink(at("file"), at("link")), unix.Mkfifo(at("pipe"), 0o600), os.Mkdir(at("folder"), 0o700), os.Symlink("/dev/zero", at("device"))); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"file": "words", "link": "", "pipe": "", "folder": "", "device": "", "none": ""} {
		if got := tail(at(name), 5); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if got := tail("/dev/zero", 5); got != "" {
		t.Errorf("a device: %q", got)
	}
}
