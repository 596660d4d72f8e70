package explain

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// escapes are the sequences with which a text moves the cursor, colours or renames a
// terminal: CSI, OSC and other strings, and those of two characters (ECMA-48).
var escapes = regexp.MustCompile("(?s)(?:\x1b\\[|\u009b)[0-?]*[ -/]*[@-~]|(?:\x1b[\\]PX^_]|[\u009d\u0090\u0098\u009e\u009f]).*?(?:\x07|\x1b\\\\|\u009c|$)|\x1b[ -/]*[0-~]")

// harmless makes a text that came from a container, a message or a name one line that
// does nothing to a terminal: escape sequences go, control characters and those that
// turn the direction of writing become visible or blanks.
func harmless(text string) string {
	return strings.Join(strings.Fields(plain(text)), " ")
}

// harmlessLines is harmless for a text of several lines, which it keeps.
func harmlessLines(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = strings.TrimRightFunc(plain(lines[i]), unicode.IsSpace)
	}
	return strings.Join(lines, "\n")
}

func plain(text string) string {
	if strings.ContainsFunc(text, func(r rune) bool { return r == 0x1b || r >= 0x80 && r < 0xa0 }) {
		text = escapes.ReplaceAllString(text, "")
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t' || r == '\n' || r == '\r':
			return ' '
		case r == utf8.RuneError, unicode.Is(unicode.Cc, r), unicode.Is(unicode.Cf, r) && r != 0x200d:
			return '\ufffd'
		}
		return r
	}, text)
}

// short cuts a text that is too long for a sentence.
func short(text string, most int) string {
	text = harmless(text)
	if utf8.RuneCountInString(text) <= most {
		return text
	}
	return strings.TrimSpace(string([]rune(text)[:most-1])) + "…"
}
