package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"
)

// status is the line at the bottom of a terminal that says what is under way, with a spinner. Where
// its writer is no terminal there is no such line, only the notes.
type status struct {
	out io.Writer

	mu    sync.Mutex
	text  string
	width int // of the terminal; 0 if there is none
	frame int
	since time.Time // the text is the same
	ended chan struct{}
}

var frames = []string{"⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"}

// clearLine goes to the beginning of the line and clears it.
const clearLine = "\r\x1b[K"

func newStatus(out io.Writer) *status {
	s := &status{out: out, ended: make(chan struct{})}
	file, ok := out.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) || os.Getenv("TERM") == "dumb" {
		return s
	}
	s.width = 80
	if width, _, err := term.GetSize(int(file.Fd())); err == nil && width > 0 {
		s.width = width
	}
	go s.spin()
	return s
}

func (s *status) spin() {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-s.ended:
			return
		case <-tick.C:
			s.mu.Lock()
			s.frame++
			s.draw()
			s.mu.Unlock()
		}
	}
}

// draw writes the line again. It must fit: a line that wraps cannot be cleared.
func (s *status) draw() {
	if s.width == 0 || s.text == "" {
		return
	}
	line := []rune(fmt.Sprintf("%s %s %.0fs", frames[s.frame%len(frames)], s.text, time.Since(s.since).Seconds()))
	if len(line) >= s.width {
		line = append(line[:s.width-2], '…')
	}
	fmt.Fprint(s.out, clearLine+string(line))
}

// doing says what is under way now.
func (s *status) doing(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if text = strings.ToValidUTF8(text, "?"); text != s.text {
		s.text, s.since = text, time.Now()
	}
}

// above lets write print lines above the status.
func (s *status) above(write func() error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clear()
	defer s.draw()
	return write()
}

// note prints a line of its own.
func (s *status) note(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clear()
	fmt.Fprintln(s.out, text)
	s.draw()
}

// stop clears the line, for good.
func (s *status) stop() {
	close(s.ended)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clear()
	s.text = ""
}

func (s *status) clear() {
	if s.width > 0 {
		fmt.Fprint(s.out, clearLine)
	}
}
