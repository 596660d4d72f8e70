package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

const (
	detachFlag  = "detach"
	readyFDFlag = "ready-fd"
	// logged is how much of the end of a log an error message has, in bytes.
	logged = 1000
)

// background is a podling that goes on when the command that started it has ended.
type background struct {
	detach  bool
	readyFD int // in the one that goes on: where it says that it is ready
}

func (b *background) addFlags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.BoolVar(&b.detach, detachFlag, false, "run in the background: return when all is ready, and go on until podling down")
	flags.IntVar(&b.readyFD, readyFDFlag, 0, "file descriptor to say on that all is ready")
	if err := flags.MarkHidden(readyFDFlag); err != nil {
		panic(err) // there is no such flag
	}
}

// begin keeps the programs that this one starts from holding what its starter waits at.
func (b *background) begin() {
	if b.readyFD > 0 {
		syscall.CloseOnExec(b.readyFD)
	}
}

// ready says that all is.
func (b *background) ready(cmd *cobra.Command, line string) error {
	if _, err := fmt.Fprintln(cmd.OutOrStdout(), line); err != nil || b.readyFD == 0 {
		return err
	}
	starter := os.NewFile(uintptr(b.readyFD), "--"+readyFDFlag)
	if starter == nil {
		return fmt.Errorf("--%s %d is not a file", readyFDFlag, b.readyFD)
	}
	_, err := fmt.Fprintln(starter, line)
	return errors.Join(err, starter.Close())
}

// start runs this command line again, in a session of its own, with its output in the data folder's
// log/podling.log, and returns when it is ready.
func (b *background) start(cmd *cobra.Command, dir string, endsWithInput bool) error {
	if endsWithInput {
		return usageError{fmt.Errorf("--%s has no input to end with, so it does not go with --%s", detachFlag, endsWithInputFlag)}
	}
	program, err := os.Executable()
	if err != nil {
		return err
	}
	name := filepath.Join(dir, "log", "podling.log")
	for _, folder := range []struct {
		path string
		mode os.FileMode
	}{{dir, 0o711}, {filepath.Dir(name), 0o700}} {
		if err := os.MkdirAll(folder.path, folder.mode); err != nil {
			return fmt.Errorf("no data folder (choose another with --data-dir): %w", err)
		}
	}
	log, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("the log: %w", err)
	}
	defer log.Close()
	before, err := log.Seek(0, io.SeekEnd)
	if err != nil {
		return fmt.Errorf("the log: %w", err)
	}
	reader, writer, err := os.Pipe()
	if err != nil {
		return err
	}
	defer reader.Close()
	child := exec.Command(program, append(withoutDetach(os.Args[1:]), "--"+readyFDFlag, "3")...)
	child.Stdout, child.Stderr, child.ExtraFiles = log, log, []*os.File{writer}
	child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = errors.Join(child.Start(), writer.Close())
	if err != nil {
		return fmt.Errorf("start in the background: %w", err)
	}
	ctx, stop := interruptible(cmd.Context())
	defer stop()
	// A podling that was interrupted ends in order, and closes the pipe.
	defer context.AfterFunc(ctx, func() { _ = child.Process.Signal(syscall.SIGTERM) })()
	line, err := bufio.NewReader(reader).ReadString('\n')
	if err == nil {
		fmt.Fprint(cmd.OutOrStdout(), line)
		fmt.Fprintf(cmd.ErrOrStderr(), "process %d; its log is %s; `podling down --data-dir %s` ends it\n", child.Process.Pid, name, dir)
		return child.Process.Release()
	}
	err = child.Wait()
	if ctx.Err() != nil {
		return errors.New("interrupted before all was ready; what had started is stopped")
	}
	return fmt.Errorf("%s (%w; the log is %s)", whyEnded(log, before), err, name)
}

// withoutDetach is a command line for the podling that goes on.
func withoutDetach(args []string) []string {
	var out []string
	for _, arg := range args {
		if arg != "--"+detachFlag && !strings.HasPrefix(arg, "--"+detachFlag+"=") {
			out = append(out, arg)
		}
	}
	return out
}

// whyEnded is the last line of what was logged since a position.
func whyEnded(log io.ReaderAt, since int64) string {
	said, err := io.ReadAll(io.NewSectionReader(log, since, 1<<20))
	lines := strings.Split(strings.TrimSpace(string(said)), "\n")
	last := strings.TrimPrefix(lines[len(lines)-1], "podling: ")
	if err != nil || last == "" {
		return "it ended without a word"
	}
	return last[max(0, len(last)-logged):]
}
