package conformance

import (
	"bufio"
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

//go:embed steps.lib.sh
var helpers string

// stepsLimit is how long one scenario's steps may take.
const stepsLimit = 5 * time.Minute

// tail is how much of what failed steps printed is kept, in bytes.
const tail = 400

// A script is one run of a scenario's steps.sh.
type script struct {
	dir  string   // a copy of the scenario's folder, which the steps may change
	env  []string // what the helpers need; see steps.lib.sh
	push func(ctx context.Context, image string) error
}

// run runs the steps and says "done", or why not. The error is for what kept the
// script from being run at all.
func (s script) run(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, stepsLimit, fmt.Errorf("not over after %v", stepsLimit))
	defer cancel()
	asks, asked, err := os.Pipe()
	if err != nil {
		return "", err
	}
	heard, answers, err := os.Pipe()
	if err != nil {
		return "", errors.Join(err, asks.Close(), asked.Close())
	}
	defer answers.Close()

	var printed bytes.Buffer
	cmd := exec.CommandContext(ctx, "bash", "-eu", "-c", helpers+"\n. ./steps.sh")
	cmd.Dir, cmd.Env = s.dir, append(os.Environ(), s.env...)
	cmd.Stdout, cmd.Stderr = &printed, &printed
	cmd.ExtraFiles = []*os.File{asked, heard} // 3 and 4, for push
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) } // what it started ends with it
	cmd.WaitDelay = time.Second
	err = cmd.Start()
	if closed := errors.Join(asked.Close(), heard.Close()); err == nil {
		err = closed
	}
	if err != nil {
		return "", fmt.Errorf("steps: %w", errors.Join(err, asks.Close()))
	}
	pushed := make(chan error, 1)
	go func() { pushed <- s.answer(ctx, asks, answers) }()
	err = cmd.Wait()
	if closed := asks.Close(); closed != nil { // a process that the script left behind may still hold the other end
		return "", closed
	}
	switch {
	case ctx.Err() != nil:
		return "failed: " + context.Cause(ctx).Error(), nil
	case err != nil:
		text := strings.TrimSpace(printed.String())
		return fmt.Sprintf("failed: %v: %s", err, text[max(0, len(text)-tail):]), nil
	}
	return done, <-pushed
}

// answer pushes an image for each line that the script writes, until it has ended.
func (s script) answer(ctx context.Context, asks io.Reader, answers io.Writer) error {
	lines := bufio.NewScanner(asks)
	for lines.Scan() {
		answer := "pushed"
		if err := s.push(ctx, lines.Text()); err != nil {
			answer = strings.ReplaceAll(err.Error(), "\n", " ")
		}
		if _, err := fmt.Fprintln(answers, answer); err != nil {
			return fmt.Errorf("answer to push %s: %w", lines.Text(), err)
		}
	}
	if err := lines.Err(); !errors.Is(err, os.ErrClosed) {
		return err
	}
	return nil
}
