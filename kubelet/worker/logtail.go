package worker

import (
	"bytes"
	"io"
	"os"
)

// logWindow is how much of a log's end is read: the longest line that the runtime
// writes in one piece (16 KiB) and what goes before each line are less.
const logWindow = 32 << 10

// logTail is the text of the last lines of a CRI log: "TIME STREAM TAG TEXT",
// where the tag P says that the line goes on (upstream: readLastStringFromContainerLogs).
func logTail(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return ""
	}
	from := max(0, end-logWindow)
	if _, err := f.Seek(from, io.SeekStart); err != nil {
		return ""
	}
	raw, err := io.ReadAll(io.LimitReader(f, end-from))
	if err != nil {
		return ""
	}
	lines := bytes.SplitAfter(raw, []byte("\n")) // the last is what has no end yet, mostly nothing
	if from > 0 && len(lines) > 0 {
		lines = lines[1:] // cut in the middle
	}
	if n := maxMessageLines + 1; len(lines) > n {
		lines = lines[len(lines)-n:]
	}
	var text []byte
	for _, line := range lines {
		f := bytes.SplitN(line, []byte(" "), 4)
		if len(f) < 4 {
			continue
		}
		if bytes.HasPrefix(f[2], []byte("P")) {
			f[3] = bytes.TrimSuffix(f[3], []byte("\n"))
		}
		text = append(text, f[3]...)
	}
	if len(text) > maxMessageLog {
		text = text[len(text)-maxMessageLog:]
	}
	return string(text)
}
