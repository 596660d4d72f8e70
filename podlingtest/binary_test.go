package podlingtest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// program is a shell script in place of one.
func program(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// elsewhere is a module of somebody else's to run in, with nothing on PATH but what is put there.
func elsewhere(t *testing.T, goMod string) (path string) {
	t.Helper()
	t.Setenv(binaryEnv, "")
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte(goMod), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "deeper"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Chdir(filepath.Join(dir, "deeper"))
	path = filepath.Join(dir, "path")
	t.Setenv("PATH", path+":/usr/bin:/bin")
	t.Setenv("XDG_CACHE_HOME", filepath.Join(dir, "cache"))
	t.Setenv("GO_ASKED", filepath.Join(dir, "asked"))
	return path
}

// fakeGo stands in for the go command: it says which podling is required, notes what it is asked
// for, and "builds".
func fakeGo(t *testing.T, path, required string) {
	t.Helper()
	program(t, filepath.Join(path, "go"), `echo "$@" >>$GO_ASKED
case $1 in
list) echo '`+required+`' ;;
install) printf '#!/bin/sh\n' >$GOBIN/podling; chmod +x $GOBIN/podling ;;
build) printf '#!/bin/sh\n' >$3/podling; chmod +x $3/podling ;;
esac
`)
}

func silent(string, ...any) {}

func asked(t *testing.T, verb string) int {
	t.Helper()
	text, err := os.ReadFile(os.Getenv("GO_ASKED"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count("\n"+string(text), "\n"+verb+" ")
}

// The program comes from where it is said to, in that order.
func TestLookUp(t *testing.T) {
	t.Run("the environment", func(t *testing.T) {
		path := elsewhere(t, "module x\n")
		onPath := program(t, filepath.Join(path, "podling"), "")
		named := program(t, filepath.Join(t.TempDir(), "mine"), "")
		t.Setenv(binaryEnv, named)
		if got, err := findBinary(t.Context(), silent); err != nil || got != named {
			t.Errorf("%s, %v", got, err)
		}
		for value, want := range map[string]string{"/nowhere/podling": "PODLING_BIN: there is no /nowhere/podling", filepath.Dir(onPath): "is no program"} {
			t.Setenv(binaryEnv, value)
			if got, err := findBinary(t.Context(), silent); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %s, %v", value, got, err)
			}
		}
	})
	t.Run("PATH", func(t *testing.T) {
		path := elsewhere(t, "module x\n")
		want := program(t, filepath.Join(path, "podling"), "")
		program(t, filepath.Join(path, "..", "bin", "podling"), "") // of a module that is not podling's
		if got, err := lookUp(t.Context(), silent); err != nil || got != want {
			t.Errorf("%s, %v", got, err)
		}
	})
	t.Run("the checkout", func(t *testing.T) {
		path := elsewhere(t, "// podling's own\nmodule \"github.com/podling/podling\" // indeed\n")
		program(t, filepath.Join(path, "podling"), "")
		program(t, filepath.Join(path, "..", "bin", "podling"), "")
		if got, err := lookUp(t.Context(), silent); err != nil || filepath.Base(filepath.Dir(got)) != "bin" {
			t.Errorf("%s, %v", got, err)
		}
	})
	t.Run("nowhere", func(t *testing.T) {
		elsewhere(t, "module x\n")
		t.Setenv("PATH", "/nowhere")
		got, err := lookUp(t.Context(), silent)
		if err == nil || !strings.Contains(err.Error(), "there is no go command on PATH; name one with PODLING_BIN") {
			t.Errorf("%s, %v", got, err)
		}
	})
}

// A podling that is to be had nowhere is built once, of the version that is required.
func TestBuild(t *testing.T) {
	path := elsewhere(t, "module x\n")
	fakeGo(t, path, `{"Path":"github.com/podling/podling","Version":"v1.2.3","Dir":"/modcache/podling"}`)
	var mu sync.Mutex
	var told []string
	log := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		told = append(told, fmt.Sprintf(format, args...))
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			got, err := lookUp(t.Context(), log)
			if err != nil || !strings.HasSuffix(got, "/cache/podling/podling-v1.2.3") || runnable(got) != nil {
				t.Errorf("%s, %v", got, err)
			}
		})
	}
	wg.Wait()
	if n := asked(t, "install"); n != 1 {
		t.Errorf("built %d times", n)
	}
	if len(told) != 1 || !strings.Contains(told[0], "podling is built") {
		t.Errorf("told %q", told)
	}
	left, err := filepath.Glob(filepath.Join(os.Getenv("XDG_CACHE_HOME"), "podling", "*"))
	if err != nil || len(left) != 2 { // and the lock
		t.Errorf("the cache has %q, %v", left, err)
	}
}

// What has no version is built each time: its source may have changed.
func TestBuildReplaced(t *testing.T) {
	path := elsewhere(t, "module x\n")
	checkout := t.TempDir()
	fakeGo(t, path, `{"Path":"github.com/podling/podling","Version":"v1.2.3","Replace":{"Path":"../podling","Dir":"`+checkout+`"}}`)
	for range 2 {
		got, err := lookUp(t.Context(), silent)
		if err != nil || !strings.Contains(got, "/cache/podling/podling-devel-") {
			t.Errorf("%s, %v", got, err)
		}
	}
	if n := asked(t, "build"); n != 2 {
		t.Errorf("built %d times", n)
	}
}

// What keeps podling from being built is said, with what to do.
func TestBuildFails(t *testing.T) {
	path := elsewhere(t, "module x\n")
	program(t, filepath.Join(path, "go"), "echo 'go: module github.com/podling/podling: not a known dependency' >&2; exit 1")
	_, err := lookUp(t.Context(), silent)
	for _, want := range []string{"not a known dependency", "go get github.com/podling/podling", "name one with PODLING_BIN"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %q", err, want)
		}
	}
	fakeGo(t, path, `{"Version":"v1.2.3"}`)
	cache := filepath.Join(os.Getenv("XDG_CACHE_HOME"), "podling")
	if err := os.MkdirAll(cache, 0o755); err != nil {
		t.Fatal(err)
	}
	unlock, err := lock(t.Context(), filepath.Join(cache, "podling-v1.2.3.lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := lookUp(ctx, silent); err == nil {
		t.Error("it was built although another process builds it")
	}
}
