package upstream

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Focus is the specs that a node has to hold: sig-node's of the conformance suite.
const Focus = `\[sig-node\].*\[Conformance\]`

const (
	// limit is how long all specs may take. Some look for minutes whether
	// something does not happen.
	limit = 2 * time.Hour
	// stopLimit is how long the suite may take to clean up when it is interrupted.
	stopLimit = time.Minute
)

// A Suite is what to play, and on what.
type Suite struct {
	Built      Built
	Kubeconfig string
	Kubectl    string         // program that specs call
	Focus      *regexp.Regexp // of specs' names
	Skip       *regexp.Regexp // of those that are left out of them, nil for none
	Jobs       int            // how many specs at once; serial ones come last, one by one
	Dir        string         // folder that keeps the suite's output and report

	// Progress is told of each spec as it ends.
	Progress func(name string, held bool, took time.Duration)
}

// Run plays the specs and says how each ended. That specs fail is no error; that the
// suite cannot be played, or is interrupted, is one.
func (s Suite) Run(ctx context.Context) ([]Result, error) {
	report := filepath.Join(s.Dir, "report.json")
	if err := os.Remove(report); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	output, err := os.Create(filepath.Join(s.Dir, "e2e.log"))
	if err != nil {
		return nil, err
	}
	defer output.Close()
	err = s.play(ctx, output)
	if ctx.Err() != nil {
		return nil, errors.Join(context.Cause(ctx), err)
	}
	results, unread := read(report, s.asked)
	if unread != nil { // else its exit code says no more than the results
		return nil, fmt.Errorf("the suite gave no results, see %s: %w", output.Name(), errors.Join(err, unread))
	}
	return results, nil
}

// asked says whether a spec is to be run.
func (s Suite) asked(name string) bool {
	return s.Focus.MatchString(name) && (s.Skip == nil || !s.Skip.MatchString(name))
}

// play runs the suite to its end. Each of its processes writes to a place of its
// own, and ginkgo puts together in output what they say of a spec.
func (s Suite) play(ctx context.Context, output io.Writer) error {
	args := []string{
		"run", "--no-color", "-v", "--procs", strconv.Itoa(s.Jobs), "--timeout", limit.String(),
		"--output-dir", s.Dir, "--json-report", "report.json", "--focus", s.Focus.String(),
	}
	if s.Skip != nil {
		args = append(args, "--skip", s.Skip.String())
	}
	args = append(args, s.Built.Suite, "--",
		"--kubeconfig", s.Kubeconfig, "--kubectl-path", s.Kubectl, "--provider", "skeleton",
		"--disable-log-dump", "--dump-logs-on-failure=false", "--e2e-output-dir", s.Dir)
	cmd := exec.CommandContext(ctx, s.Built.Ginkgo, args...)
	cmd.Dir = s.Dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a Ctrl-C at the terminal reaches the caller alone
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) }
	cmd.WaitDelay = stopLimit
	reader, writer := io.Pipe()
	cmd.Stdout, cmd.Stderr = writer, writer
	told := make(chan error, 1)
	go func() {
		err := s.follow(io.TeeReader(reader, output))
		reader.CloseWithError(err) // the suite does not wait for a reader that is gone
		told <- err
	}()
	err := cmd.Run()
	if ctx.Err() != nil && cmd.Process != nil { // what did not end by itself
		if e := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); !errors.Is(e, syscall.ESRCH) {
			err = errors.Join(err, e)
		}
	}
	return errors.Join(err, writer.Close(), <-told)
}

// ended is the line with which ginkgo begins what it writes of a spec; the next
// has the spec's name.
var ended = regexp.MustCompile(`^• (\[[A-Z ]+\] )?\[([0-9]+(?:\.[0-9]+)?) seconds\]$`)

// labels are what ginkgo writes behind a spec's name.
var labels = regexp.MustCompile(` \[[^\[\]]*, [^\[\]]*\]$`)

// follow tells of each spec that ends, by what the suite writes.
func (s Suite) follow(output io.Reader) error {
	lines := bufio.NewReader(output)
	var found []string // the line before, if it was such a one
	for {
		line, err := lines.ReadString('\n')
		line = strings.TrimRight(line, "\r\n")
		if found != nil && line != "" {
			seconds, err := strconv.ParseFloat(found[2], 64)
			if err != nil {
				return fmt.Errorf("duration of %s: %w", line, err)
			}
			s.Progress(labels.ReplaceAllString(line, ""), found[1] == "", time.Duration(seconds*float64(time.Second)))
		}
		found = ended.FindStringSubmatch(line)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
