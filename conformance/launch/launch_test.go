package launch

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// program writes a shell script that stands in for podling.
func program(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "podling")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestUp(t *testing.T) {
	p, err := Up(t.Context(), program(t, `
trap 'exit 0' TERM
[ "$1 $2" = "up --ephemeral" ] || exit 9
echo "etcd 0.2s"
echo "ready kubeconfig=/tmp/a file node=box node=other after 1.8s"
while :; do sleep 0.05; done`), "--ephemeral")
	if err != nil {
		t.Fatal(err)
	}
	if p.Kubeconfig != "/tmp/a file" || p.Node != "box" || p.Ready <= 0 {
		t.Errorf("%+v; want what the ready line says", p)
	}
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
	if err := syscall.Kill(p.Pid, 0); err == nil {
		t.Error("it still runs")
	}
}

// TestReadyLine: many nodes are counted, not named.
func TestReadyLine(t *testing.T) {
	for line, want := range map[string]string{
		"ready kubeconfig=k node=a after 1s":        "a",
		"ready kubeconfig=k node=a node=b after 1s": "a",
		"ready kubeconfig=k nodes=200 after 3.1s":   "",
		"ready kubeconfig=k after 3.1s":             "",
	} {
		m := ready.FindStringSubmatch(line)
		if m == nil || m[1] != "k" || m[2] != want {
			t.Errorf("%q is read as %q; want node %q", line, m, want)
		}
	}
}

func TestUpFails(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"ends at once":        {`echo "port 6443 is taken" >&2; exit 1`, "exit status 1: port 6443 is taken"},
		"ends without a word": {`exit 0`, "before it was ready: exit status 0"},
		"is no ready line":    {`echo "not ready kubeconfig=a node=b after 1s"; exit 2`, "exit status 2"},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := Up(t.Context(), program(t, c.text))
			if err == nil {
				t.Fatalf("up: %+v", p)
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %q; want %q in it", err, c.want)
			}
		})
	}
}

func TestStopReports(t *testing.T) {
	p, err := Up(t.Context(), program(t, `
trap 'echo "mounts are left" >&2; exit 4' TERM
echo "ready kubeconfig=k node=n after 1s"
while :; do sleep 0.05; done`))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Stop(); err == nil || !strings.Contains(err.Error(), "exit status 4: mounts are left") {
		t.Errorf("error %v; want how it ended and what it said", err)
	}
}

func TestBinary(t *testing.T) {
	t.Setenv("PODLING_BIN", filepath.Join(t.TempDir(), "none"))
	if path, err := Binary(".."); err == nil || !strings.Contains(err.Error(), "make build") {
		t.Errorf("Binary = %q, %v; want an error that says what to do", path, err)
	}
	there := program(t, "")
	t.Setenv("PODLING_BIN", there)
	if path, err := Binary(".."); err != nil || path != there {
		t.Errorf("Binary = %q, %v; want %q", path, err, there)
	}
}
