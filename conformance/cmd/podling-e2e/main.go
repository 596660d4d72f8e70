// Command podling-e2e plays upstream Kubernetes' own end-to-end specs on podling and
// says which hold.
//
//	podling-e2e [flags]
//
// It builds the suite (conformance/e2e), makes its images, starts podling (PODLING_BIN,
// or bin/podling) with a registry that has them, plays the specs, and stops all that it
// started. Exit code 0 says that every spec holds that conformance/e2e/known.txt does not
// name.
//
//	podling-e2e                                            # the sig-node conformance specs
//	podling-e2e -focus 'PreStop should call prestop'       # some
//	podling-e2e -focus '\[sig-storage\].*\[Conformance\]'  # those of another group
//	podling-e2e -o json > results.json
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"syscall"
	"time"

	"github.com/podling/podling/conformance/launch"
	"github.com/podling/podling/conformance/upstream"
)

type options struct {
	focus, skip        *regexp.Regexp
	known, dir, output string
	jobs               int
}

func main() {
	var o options
	names := func(of **regexp.Regexp) func(string) error {
		return func(value string) (err error) {
			*of, err = regexp.Compile(value)
			return err
		}
	}
	o.focus = regexp.MustCompile(upstream.Focus)
	flag.Func("focus", "`regular expression` of the specs' names (default "+upstream.Focus+")", names(&o.focus))
	flag.Func("skip", "`regular expression` of the names of specs to leave out of these", names(&o.skip))
	flag.StringVar(&o.known, "known", filepath.Join(upstream.Module, "known.txt"), "`file` that lists the specs that are known not to hold, and why")
	flag.StringVar(&o.dir, "dir", "bin/e2e", "`folder` for what is built, the suite's output (e2e.log) and its report")
	flag.StringVar(&o.output, "o", "text", "what is printed of the results: `text or json`")
	flag.IntVar(&o.jobs, "jobs", 6, "how many specs at once")
	flag.Parse()
	if err := o.check(flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "podling-e2e:", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	held, err := run(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "podling-e2e:", err)
	}
	if err != nil || !held {
		os.Exit(1)
	}
}

func (o options) check(args []string) error {
	switch {
	case len(args) > 0:
		return fmt.Errorf("argument %q: podling-e2e takes none; specs are chosen with -focus", args[0])
	case o.output != "text" && o.output != "json":
		return fmt.Errorf("-o %q: want text or json", o.output)
	case o.jobs < 1:
		return fmt.Errorf("-jobs %d: want 1 or more", o.jobs)
	}
	return nil
}

// run plays the specs and says whether all hold that should.
func run(ctx context.Context, o options) (bool, error) {
	known, err := upstream.Known(o.known)
	if err != nil {
		return false, fmt.Errorf("list of what is known not to hold: %w", err)
	}
	podling, err := launch.Binary(".")
	if err != nil {
		return false, err
	}
	dir, err := filepath.Abs(o.dir)
	if err != nil {
		return false, err
	}
	fmt.Fprintln(os.Stderr, "building the suite (minutes, the first time)")
	built, err := upstream.Build(ctx, ".", dir)
	if err != nil {
		return false, err
	}
	results, err := play(ctx, o, podling, built, dir)
	if err != nil {
		return false, err
	}
	return report(os.Stdout, o.output, upstream.Judge(results, known))
}

// play starts podling with a registry that has the images, plays the specs on it,
// and takes both down.
func play(ctx context.Context, o options, podling string, built upstream.Built, dir string) (_ []upstream.Result, err error) {
	registry, closeRegistry, err := upstream.Serve(ctx, built.Images)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, closeRegistry()) }()
	up, err := launch.Up(ctx, podling, "--ephemeral", "--runtime", "containerd",
		"--kubeconfig", filepath.Join(dir, "kubeconfig"), "--registry-mirror", registry.MirrorOf(upstream.Host))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, up.Stop()) }()
	kubectl, err := writeKubectl(dir, podling)
	if err != nil {
		return nil, err
	}
	suite := upstream.Suite{
		Built: built, Kubeconfig: up.Kubeconfig, Kubectl: kubectl, Focus: o.focus, Skip: o.skip, Jobs: o.jobs, Dir: dir,
		Progress: progress(os.Stderr),
	}
	return suite.Run(ctx)
}

// writeKubectl makes a program of podling's own kubectl: the suite wants a path.
func writeKubectl(dir, podling string) (string, error) {
	shell, err := exec.LookPath("sh")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "kubectl")
	script := fmt.Sprintf("#!%s\nexec '%s' kubectl \"$@\"\n", shell, podling)
	return path, os.WriteFile(path, []byte(script), 0o755)
}

func progress(out io.Writer) func(string, bool, time.Duration) {
	n := 0
	return func(name string, held bool, took time.Duration) {
		n++
		word := "pass"
		if !held {
			word = "FAIL"
		}
		fmt.Fprintf(out, "%3d %s %s (%.0f s)\n", n, word, name, took.Seconds())
	}
}
