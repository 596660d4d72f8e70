package worker

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLogTail(t *testing.T) {
	const before = "2030-01-01T12:00:00.000000000Z stdout F "
	lines := func(n int, text string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "%s%s%d\n", before, text, i)
		}
		return b.String()
	}
	for name, c := range map[string]struct{ log, want string }{
		"nothing":            {"", ""},
		"one line":           {before + "oops\n", "oops\n"},
		"a line in pieces":   {strings.Replace(before, " F ", " P ", 1) + "oo\n" + before + "ps\n", "oops\n"},
		"the last 80 lines":  {lines(200, ""), strings.ReplaceAll(lines(200, "")[len(lines(120, "")):], before, "")},
		"the last 2048":      {lines(100, strings.Repeat("x", 100)), strings.ReplaceAll(lines(100, strings.Repeat("x", 100)), before, "")[100*103-10-2048:]},
		"one very long line": {lines(1, "") + before + strings.Repeat("y", 16<<10) + "\n", strings.Repeat("y", 2047) + "\n"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "0.log")
			if err := os.WriteFile(path, []byte(c.log), 0o600); err != nil {
				t.Fatal(err)
			}
			if got := logTail(path); got != c.want {
				t.Errorf("got %d bytes that begin with %.40q, want %d that begin with %.40q", len(got), got, len(c.want), c.want)
			}
		})
	}
	if got := logTail(filepath.Join(t.TempDir(), "none")); got != "" {
		t.Errorf("of a log that is not there: %q", got)
	}
}
