package worker

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

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
