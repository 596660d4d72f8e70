package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/term"

	"github.com/podling/podling/replay"
	"github.com/podling/podling/trace"
)

// replayScreen shows a recording on a terminal, one event at a time, and goes where keys say.
type replayScreen struct {
	player *replay.Player
	keys   *os.File
	screen *os.File
	number string // being typed
	status bool   // the pod's whole status is shown too
	why    bool   // the pod's explanation is shown too
}

func newReplayScreen(player *replay.Player, keys, screen *os.File) *replayScreen {
	return &replayScreen{player: player, keys: keys, screen: screen}
}

const (
	otherScreen  = "\x1b[?1049h\x1b[?25l"
	backToScreen = "\x1b[?25h\x1b[?1049l"
	clearScreen  = "\x1b[H\x1b[2J"
	replayKeys   = "→ ← next, previous   ↓ ↑ of the same pod   Home End first, last   NUMBER Enter that one   e explain   s status   q end"
)

func (s *replayScreen) run() (err error) {
	was, err := term.MakeRaw(int(s.keys.Fd()))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, term.Restore(int(s.keys.Fd()), was)) }()
	if _, err := io.WriteString(s.screen, otherScreen); err != nil {
		return err
	}
	defer func() {
		_, back := io.WriteString(s.screen, backToScreen)
		err = errors.Join(err, back)
	}()
	in := bufio.NewReader(s.keys)
	for {
		if err := s.draw(); err != nil {
			return err
		}
		key, err := readKey(in)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if !s.press(key) {
			return nil
		}
	}
}

// press does what a key says; it is false if that is to end.
func (s *replayScreen) press(key string) bool {
	number := s.number
	s.number = ""
	switch key {
	case "q", "\x03", "\x04", "escape":
		return false
	case "right", "l", "n", " ":
		s.player.Step(1)
	case "left", "h", "p", "\x7f":
		s.player.Step(-1)
	case "down", "j":
		s.player.Same(1)
	case "up", "k":
		s.player.Same(-1)
	case "pagedown":
		s.player.Step(10)
	case "pageup":
		s.player.Step(-10)
	case "home", "g":
		s.player.Go(1)
	case "end", "G":
		s.player.Go(s.player.Len())
	case "e":
		s.why = !s.why
	case "s":
		s.status = !s.status
	case "\r", "\n":
		if n, err := strconv.Atoi(number); err == nil {
			s.player.Go(n)
		} else {
			s.player.Step(1)
		}
	default:
		if len(key) == 1 && key[0] >= '0' && key[0] <= '9' && len(number) < 9 {
			s.number = number + key
		}
	}
	return true
}

// draw fills the screen: what does not fit is left out at the bottom.
func (s *replayScreen) draw() error {
	width, height, err := term.GetSize(int(s.screen.Fd()))
	if err != nil {
		return err
	}
	var text bytes.Buffer
	frame := s.player.Frame()
	if err := frame.PrintTo(&text, s.screen); err != nil {
		return err
	}
	if s.why {
		e, err := explainTimeline(s.player.OfPod())
		if err == nil {
			err = printExplanation(&text, e)
		}
		if err != nil {
			fmt.Fprintf(&text, "\nIt cannot be explained: %s\n", trace.Printable(err.Error()))
		}
	}
	if s.status {
		if err := frame.PrintStatus(&text); err != nil {
			return err
		}
	}
	lines := strings.Split(strings.TrimRight(text.String(), "\n"), "\n")
	if most := max(1, height-2); len(lines) > most {
		lines = append(lines[:most-1], "…")
	}
	foot := replayKeys
	if s.number != "" {
		foot = "to " + s.number
	}
	if runes := []rune(foot); len(runes) >= width {
		foot = string(runes[:max(0, width-1)])
	}
	_, err = fmt.Fprintf(s.screen, "%s%s\x1b[%d;1H\x1b[2m%s\x1b[0m", clearScreen, strings.Join(lines, "\r\n"), height, foot)
	return err
}

// sequences are what terminals send for keys without a character.
var sequences = map[string]string{
	"[A": "up", "[B": "down", "[C": "right", "[D": "left", "OA": "up", "OB": "down", "OC": "right", "OD": "left",
	"[H": "home", "[F": "end", "OH": "home", "OF": "end", "[1~": "home", "[4~": "end", "[7~": "home", "[8~": "end", "[5~": "pageup", "[6~": "pagedown",
}

// readKey reads one key. An escape that nothing follows at once is the key of that name.
func readKey(in *bufio.Reader) (string, error) {
	r, _, err := in.ReadRune()
	if err != nil || r != '\x1b' {
		return string(r), err
	}
	if in.Buffered() == 0 {
		return "escape", nil
	}
	sequence := ""
	for in.Buffered() > 0 && len(sequence) < 8 {
		b, err := in.ReadByte()
		if err != nil {
			return "", err
		}
		sequence += string(rune(b))
		if len(sequence) > 1 && (b >= 'A' && b <= 'Z' || b >= 'a' && b <= 'z' || b == '~') {
			break
		}
	}
	return sequences[sequence], nil
}
