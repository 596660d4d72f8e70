package logs

import (
	"compress/gzip"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	internalapi "k8s.io/cri-api/pkg/apis"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// writer is a runtime with one container, which writes one log.
type writer struct {
	internalapi.RuntimeService
	log     string
	ended   bool
	refuses error
}

func (w *writer) ListContainers(_ context.Context, f *runtimeapi.ContainerFilter) ([]*runtimeapi.Container, error) {
	if w.ended || f.LabelSelector["uid"] != "u-1" || f.LabelSelector["container"] != "c" {
		return nil, nil
	}
	return []*runtimeapi.Container{{Id: "other", Metadata: &runtimeapi.ContainerMetadata{Attempt: 2}}, {Id: "id", Metadata: &runtimeapi.ContainerMetadata{Attempt: 3}}}, nil
}

func (w *writer) ReopenContainerLog(_ context.Context, id string) error {
	if w.refuses != nil || id != "id" {
		return errors.Join(w.refuses, errors.New("container "+id))
	}
	return os.WriteFile(w.log, nil, 0o640)
}

// grow makes the log as large as it may be.
func (w *writer) grow(t *testing.T, first string) {
	t.Helper()
	if err := os.WriteFile(w.log, append([]byte(first), make([]byte, MaxSize-len(first))...), 0o640); err != nil {
		t.Fatal(err)
	}
}

func newWriter(t *testing.T) (*writer, *Rotator) {
	t.Helper()
	dir := t.TempDir()
	w := &writer{log: filepath.Join(dir, "ns_p_u-1", "c", "3.log")}
	if err := os.MkdirAll(filepath.Dir(w.log), 0o700); err != nil {
		t.Fatal(err)
	}
	return w, New(dir, w, Of{PodUID: "uid", Container: "container"})
}

// files are the log's, by name.
func (w *writer) files(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(w.log))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

var noon = time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)

// A container that never stops writing has five files, the newest two as written.
func TestFlood(t *testing.T) {
	w, r := newWriter(t)
	for i := range 7 {
		w.grow(t, string(rune('a'+i)))
		if err := r.look(t.Context(), noon.Add(time.Duration(i)*time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{"3.log", "3.log.20300101-120300.gz", "3.log.20300101-120400.gz", "3.log.20300101-120500.gz", "3.log.20300101-120600"}
	if got := w.files(t); !slices.Equal(got, want) {
		t.Errorf("files %v, want %v", got, want)
	}
	f, err := os.Open(w.log + ".20300101-120500.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(z); err != nil || len(text) != MaxSize || text[0] != 'f' {
		t.Errorf("unpacked %d bytes, %v", len(text), err)
	}
	if info, err := f.Stat(); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

// A small log stays, and so does the log of a container that has ended.
func TestLeftAlone(t *testing.T) {
	w, r := newWriter(t)
	if err := os.WriteFile(w.log, []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := r.look(t.Context(), noon); err != nil {
		t.Fatal(err)
	}
	w.grow(t, "last words")
	w.ended = true
	if err := r.look(t.Context(), noon); err != nil {
		t.Fatal(err)
	}
	if got := w.files(t); !slices.Equal(got, []string{"3.log"}) {
		t.Errorf("files %v", got)
	}
}

// What cannot be put aside is as it was, and what was left half done goes.
func TestTriedAgain(t *testing.T) {
	w, r := newWriter(t)
	w.grow(t, "x")
	w.refuses = errors.New("away")
	for _, left := range []string{".20300101-110000.tmp", ".20300101-110000.gz", ".20300101-110000"} {
		if err := os.WriteFile(w.log+left, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.look(t.Context(), noon); err == nil || !strings.Contains(err.Error(), "away") {
		t.Errorf("error %v", err)
	}
	if got := w.files(t); !slices.Equal(got, []string{"3.log", "3.log.20300101-110000.gz"}) {
		t.Errorf("files %v", got)
	}
}
