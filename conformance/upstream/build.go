package upstream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Module is the folder, below podling's own module, of the module that pins the
// suite.
const Module = "conformance/e2e"

// programs are what is built of it beside the suite.
var programs = []string{
	"github.com/onsi/ginkgo/v2/ginkgo",
	"k8s.io/kubernetes/test/images/agnhost",
	"k8s.io/kubernetes/test/images/nonewprivs",
}

// Built is where all that a run needs was built, or lies.
type Built struct {
	Suite  string // the specs, a test program
	Ginkgo string // what plays them
	Images Parts
}

// Parts are what the images are made of that is not this machine's.
type Parts struct {
	Agnhost, Nonewprivs, Shell string // programs
	Files                      string // test/images of k8s.io/kubernetes
}

// Build builds the suite and the programs of its images into dir. root is the
// folder of podling's module. The first time it takes minutes; after that the go
// command finds all in its cache.
func Build(ctx context.Context, root, dir string) (Built, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return Built{}, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return Built{}, err
	}
	module := filepath.Join(root, Module)
	b := Built{
		Suite: filepath.Join(dir, "e2e.test"), Ginkgo: filepath.Join(dir, "ginkgo"),
		Images: Parts{Agnhost: filepath.Join(dir, "agnhost"), Nonewprivs: filepath.Join(dir, "nonewprivs"), Shell: filepath.Join(dir, "sh")},
	}
	for _, build := range []struct {
		module string
		args   []string
	}{
		{root, []string{"build", "-o", b.Images.Shell, "./conformance/upstream/sh"}},
		{module, append([]string{"build", "-ldflags", "-s -w", "-o", dir + string(filepath.Separator)}, programs...)},
		{module, []string{"test", "-c", "-ldflags", "-s -w", "-o", b.Suite, "k8s.io/kubernetes/test/e2e"}},
	} {
		if _, err := goCommand(ctx, build.module, build.args...); err != nil {
			return Built{}, err
		}
	}
	source, err := goCommand(ctx, module, "list", "-m", "-f", "{{.Dir}}", "k8s.io/kubernetes")
	if err != nil {
		return Built{}, err
	}
	b.Images.Files = filepath.Join(source, "test", "images")
	return b, nil
}

// goCommand runs the go command in a folder and returns what it prints.
func goCommand(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0") // the images hold no libraries for these programs
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("go %s in %s: %w: %s", args[0], dir, errors.Join(err, context.Cause(ctx)), bytes.TrimSpace(stderr.Bytes()))
	}
	return strings.TrimSpace(string(out)), nil
}
