package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

// Where nobody watches a terminal there is no spinner, only what is printed.
func TestStatusInAPipe(t *testing.T) {
	var out bytes.Buffer
	s := newStatus(&out)
	s.doing("waiting")
	s.note("a note")
	if err := s.above(func() error { _, err := fmt.Fprintln(&out, "an event"); return err }); err != nil {
		t.Fatal(err)
	}
	s.stop()
	if out.String() != "a note\nan event\n" {
		t.Errorf("got %q", out.String())
	}
}

// On a terminal, lines are printed where the status was, and it comes back below them, no wider than
// the terminal.
func TestStatusOnATerminal(t *testing.T) {
	var out bytes.Buffer
	s := &status{out: &out, width: 20, ended: make(chan struct{})}
	s.doing("waiting for what takes a long time")
	s.note("a note")
	above, below, _ := strings.Cut(out.String(), "a note\n")
	if above != clearLine {
		t.Errorf("before the note: %q", above)
	}
	line, ok := strings.CutPrefix(below, clearLine)
	if !ok || utf8.RuneCountInString(line) >= 20 || !strings.HasPrefix(line, frames[0]+" waiting") || !strings.HasSuffix(line, "…") {
		t.Errorf("after the note: %q", below)
	}
	out.Reset()
	s.stop()
	s.note("the end")
	if out.String() != clearLine+clearLine+"the end\n" {
		t.Errorf("after stop: %q", out.String())
	}
}
