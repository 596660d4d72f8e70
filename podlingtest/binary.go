package podlingtest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

const (
	// module is podling's.
	module = "github.com/podling/podling"
	// binaryEnv names the program.
	binaryEnv = "PODLING_BIN"
)

// found is the program, once it has been: it is the same for all of a test binary's clusters.
var found struct {
	sync.Mutex
	path string
}

// findBinary gives the program that is started: the one that the environment names, that of
// podling's own checkout, the one on PATH, or one that is built for it.
func findBinary(ctx context.Context, log func(string, ...any)) (string, error) {
	if path := os.Getenv(binaryEnv); path != "" {
		if err := runnable(path); err != nil {
			return "", fmt.Errorf("%s: %w", binaryEnv, err)
		}
		return filepath.Abs(path)
	}
	found.Lock()
	defer found.Unlock()
	if found.path != "" {
		return found.path, nil
	}
	path, err := lookUp(ctx, log)
	if err == nil {
		found.path = path
	}
	return path, err
}

func lookUp(ctx context.Context, log func(string, ...any)) (string, error) {
	here, err := os.Getwd()
	if err != nil {
		return "", err
	}
	if root, name := enclosingModule(here); name == module {
		if path := filepath.Join(root, "bin", "podling"); runnable(path) == nil {
			return path, nil
		}
	}
	if path, err := exec.LookPath("podling"); err == nil {
		return filepath.Abs(path)
	}
	path, err := build(ctx, here, log)
	if err != nil {
		return "", fmt.Errorf("there is no podling: %s is not set, none is on PATH, and it could not be built: %w; name one with %s",
			binaryEnv, err, binaryEnv)
	}
	return path, nil
}

// runnable says what is wrong with a program.
func runnable(path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("there is no %s", path)
	case err != nil:
		return err
	case info.IsDir() || info.Mode()&0o111 == 0:
		return fmt.Errorf("%s is no program", path)
	}
	return nil
}

// enclosingModule is the module that a folder is in: where it is and what it is called, "" outside of any.
func enclosingModule(dir string) (root, name string) {
	for {
		if file, err := os.Open(filepath.Join(dir, "go.mod")); err == nil {
			defer file.Close()
			for lines := bufio.NewScanner(file); lines.Scan(); {
				if words := strings.Fields(lines.Text()); len(words) > 1 && words[0] == "module" {
					return dir, strings.Trim(words[1], "\"`")
				}
			}
			return dir, ""
		}
		above := filepath.Dir(dir)
		if above == dir {
			return "", ""
		}
		dir = above
	}
}
