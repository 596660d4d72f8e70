// Package launch starts a podling program the way its users do, `podling up`, and
// waits for its ready line, so that what is tested and measured is what is shipped.
package launch

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"
	"time"
)

const (
	// readyLimit is how long `podling up` may take: a cold machine's first start is
	// slow, one that hangs is to be told from it.
	readyLimit = 2 * time.Minute
	// stopLimit is how long it may take to end, pods included, before it is killed.
	stopLimit = time.Minute
	// pipeLimit is how long its output may stay open after its end, in the hands of
	// a process that it left behind.
	pipeLimit = 5 * time.Second
	// logged is how much of the end of what it wrote to standard error is told in errors.
	logged = 2000
)

// Binary finds the podling program to launch: PODLING_BIN, or the bin folder of the
// module at root.
func Binary(root string) (string, error) {
	path := os.Getenv("PODLING_BIN")
	if path == "" {
		path = filepath.Join(root, "bin", "podling")
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("no podling to run (make build, or name one in PODLING_BIN): %w", err)
	}
	return path, nil
}

// A Podling is a running `podling up` or `podling node`.
type Podling struct {
	Kubeconfig string        // of `podling up`
	Node       string        // the first, "" if there are so many that they are not named
	Ready      time.Duration // from the start of the process to its ready line
	Pid        int

	name   string // of the command
	cmd    *exec.Cmd
	ended  chan struct{} // closed once err is known
	err    error
	stderr bytes.Buffer // read only after ended
}

// ready is the line of standard output that says that it is up. Of several nodes
// the first counts; a control plane alone has none.
var ready = regexp.MustCompile(`^ready(?: kubeconfig=(.+?))?(?: node=(\S+)(?: node=\S+)*| nodes=\d+)? after \S+$`)

// Up runs `podling up` with the given flags and returns once it is ready.
func Up(ctx context.Context, binary string, flags ...string) (*Podling, error) {
	return start(ctx, binary, append([]string{"up"}, flags...))
}

// Node runs `podling node` with the given flags and returns once it is ready.
func Node(ctx context.Context, binary string, flags ...string) (*Podling, error) {
	return start(ctx, binary, append([]string{"node"}, flags...))
}

func start(ctx context.Context, binary string, args []string) (*Podling, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, readyLimit, fmt.Errorf("not ready after %v", readyLimit))
	defer cancel()
	p := &Podling{cmd: exec.Command(binary, args...), name: "podling " + args[0], ended: make(chan struct{})}
	reader, writer := io.Pipe()
	p.cmd.Stdout, p.cmd.Stderr = writer, &p.stderr
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a Ctrl-C at the terminal reaches the caller alone, who stops it in order
	p.cmd.WaitDelay = pipeLimit
	begin := time.Now()
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", p.name, err)
	}
	p.Pid = p.cmd.Process.Pid
	go func() {
		p.err = p.cmd.Wait()
		writer.Close() // never fails
		close(p.ended)
	}()
	up := make(chan struct{})
	go func() {
		lines := bufio.NewScanner(reader)
		for lines.Scan() { // to its end, or the program would block on a full pipe
			if m := ready.FindStringSubmatch(lines.Text()); m != nil && p.Ready == 0 {
				p.Kubeconfig, p.Node, p.Ready = m[1], m[2], time.Since(begin)
				close(up)
			}
		}
		reader.CloseWithError(lines.Err()) // a line too long ends the copying, and Wait reports it
	}()
	select {
	case <-up:
		return p, nil
	case <-p.ended:
		return nil, fmt.Errorf("%s ended before it was ready: %w", p.name, p.failure())
	case <-ctx.Done():
		return nil, fmt.Errorf("%s: %w", p.name, errors.Join(context.Cause(ctx), p.Stop()))
	}
}

// Stop asks podling to end and waits for it.
func (p *Podling) Stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("%s, pid %d: %w", p.name, p.Pid, err)
	}
	select {
	case <-p.ended:
		if p.err != nil {
			return fmt.Errorf("%s did not end well: %w", p.name, p.failure())
		}
		return nil
	case <-time.After(stopLimit):
		err := p.cmd.Process.Kill()
		<-p.ended
		return errors.Join(fmt.Errorf("%s did not end within %v of SIGTERM and was killed: %w", p.name, stopLimit, p.failure()), err)
	}
}

// Wait waits for podling to end by itself, or of a signal that was sent to it.
func (p *Podling) Wait() { <-p.ended }

// failure is how the program ended, with the end of what it said.
func (p *Podling) failure() error {
	said := bytes.TrimSpace(p.stderr.Bytes())
	return fmt.Errorf("%v: %s", p.cmd.ProcessState, said[max(0, len(said)-logged):])
}
