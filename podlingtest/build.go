package podlingtest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// stillBuilding is how often a build says that it goes on.
const stillBuilding = 30 * time.Second

// required is podling's module as the module of the test knows it.
type required struct {
	Version string
	Dir     string
	Main    bool
	Replace *required
}

// source is from where podling is built: the version, or the folder of one that has none.
func (r required) source() (version, dir string) {
	if r.Replace != nil {
		r.Version, r.Dir = r.Replace.Version, r.Replace.Dir
	}
	if r.Version == "" || r.Main {
		return "", r.Dir
	}
	return r.Version, ""
}

// build makes the program of the version that the test's module requires, once: it is kept in the
// user's cache. One that has no version, as in a checkout, is built again, which takes seconds if
// little has changed. It is built as podling's own go.mod says, whatever else the test's module
// requires.
func build(ctx context.Context, here string, log func(string, ...any)) (string, error) {
	if _, err := exec.LookPath("go"); err != nil {
		return "", errors.New("there is no go command on PATH")
	}
	out, err := goCommand(ctx, here, nil, "list", "-m", "-json", module)
	if err != nil {
		return "", fmt.Errorf("which podling the tests' module requires (go get %s): %w", module, err)
	}
	var r required
	if err := json.Unmarshal(out, &r); err != nil {
		return "", fmt.Errorf("go list -m %s: %w", module, err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	cache = filepath.Join(cache, "podling")
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	version, dir := r.source()
	name := "podling-" + version
	if version == "" {
		name = fmt.Sprintf("podling-devel-%x", sha256.Sum256([]byte(dir)))[:len("podling-devel-")+12]
	}
	path := filepath.Join(cache, name)
	unlock, err := lock(ctx, path+".lock")
	if err != nil {
		return "", err
	}
	defer unlock()
	if version != "" && runnable(path) == nil {
		return path, nil
	}
	began := time.Now()
	log("podling is built, which takes minutes the first time: %s", path)
	done := make(chan struct{})
	defer close(done)
	go func() {
		for tick := time.NewTicker(stillBuilding); ; {
			select {
			case <-tick.C:
				log("podling is still being built (%s)", time.Since(began).Round(time.Second))
			case <-done:
				tick.Stop()
				return
			}
		}
	}()
	return path, compile(ctx, version, dir, path)
}

// compile builds into a folder of its own, and moves what came out to path.
func compile(ctx context.Context, version, dir, path string) error {
	folder, err := os.MkdirTemp(filepath.Dir(path), "build-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	env := []string{"CGO_ENABLED=0", "GOBIN=" + folder, "GOWORK=off"}
	flags := []string{"-trimpath", "-buildvcs=false", "-ldflags=-s -w"}
	if version != "" {
		_, err = goCommand(ctx, folder, append(env, "GOFLAGS="), append(append([]string{"install"}, flags...), module+"/cmd/podling@"+version)...)
	} else {
		_, err = goCommand(ctx, dir, env, append(append([]string{"build", "-o", folder + "/"}, flags...), "./cmd/podling")...)
	}
	if err != nil {
		return err
	}
	return os.Rename(filepath.Join(folder, "podling"), path)
}

func goCommand(ctx context.Context, dir string, env []string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return out, nil
}
