package sim

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// maxLine is the longest line that is written in one piece, as containerd has it.
const maxLine = 16 << 10

// log is a container's: lines that have no end yet, and those who watch.
type log struct {
	mu      sync.Mutex
	rest    map[string][]byte // by stream
	watched map[int]func(stream string, b []byte)
	watches int
}

// output takes what the container writes. Its log file is made with its first line.
func (c *container) output(stream string, b []byte) {
	c.log.mu.Lock()
	for _, to := range c.log.watched {
		to(stream, b)
	}
	c.log.mu.Unlock()
	if c.logPath() == "" {
		return
	}
	now := c.r.clk.Now()
	c.log.mu.Lock()
	defer c.log.mu.Unlock()
	var out []byte
	text := b
	if len(c.log.rest[stream]) > 0 {
		text = append(c.log.rest[stream], b...)
	}
	for len(text) > 0 {
		end := bytes.IndexByte(text, '\n')
		switch {
		case end >= 0 && end <= maxLine:
			out = entry(out, now, stream, "F", text[:end])
			text = text[end+1:]
			continue
		case len(text) > maxLine:
			out = entry(out, now, stream, "P", text[:maxLine])
			text = text[maxLine:]
			continue
		}
		break
	}
	if c.log.rest == nil {
		c.log.rest = map[string][]byte{}
	}
	c.log.rest[stream] = bytes.Clone(text)
	c.write(out)
}

// entry appends a line in the CRI's format: TIME STREAM TAG TEXT.
func entry(out []byte, now time.Time, stream, tag string, text []byte) []byte {
	out = now.UTC().AppendFormat(out, time.RFC3339Nano)
	out = append(out, ' ')
	out = append(out, stream...)
	out = append(out, ' ')
	out = append(out, tag...)
	out = append(out, ' ')
	out = append(out, text...)
	return append(out, '\n')
}

// flush writes what has no end and gets none any more.
func (c *container) flush() {
	c.log.mu.Lock()
	none := len(c.log.rest["stdout"])+len(c.log.rest["stderr"]) == 0
	c.log.mu.Unlock()
	if none {
		return
	}
	now := c.r.clk.Now()
	c.log.mu.Lock()
	defer c.log.mu.Unlock()
	var out []byte
	for _, stream := range []string{"stdout", "stderr"} {
		if rest := c.log.rest[stream]; len(rest) > 0 {
			out = entry(out, now, stream, "P", rest)
		}
	}
	c.log.rest = nil
	c.write(out)
}

// write appends to the log file. No file is held open: there are many containers,
// and few that write. Called with c.log.mu held.
func (c *container) write(b []byte) {
	if len(b) == 0 {
		return
	}
	c.r.mu.Lock()
	removed := c.removed
	c.r.mu.Unlock()
	if removed {
		return
	}
	f, err := c.openLog()
	if err != nil {
		return // a container goes on although its log cannot be written
	}
	defer f.Close()
	_, _ = f.Write(b)
}

func (c *container) openLog() (*os.File, error) {
	const flags = os.O_WRONLY | os.O_CREATE | os.O_APPEND
	f, err := os.OpenFile(c.logPath(), flags, 0o640)
	if err == nil || !os.IsNotExist(err) {
		return f, err
	}
	if err := os.MkdirAll(filepath.Dir(c.logPath()), 0o755); err != nil {
		return nil, err
	}
	return os.OpenFile(c.logPath(), flags, 0o640)
}

// watch hands out what the container writes from now on, until the result is called.
func (c *container) watch(to func(stream string, b []byte)) (stop func()) {
	c.log.mu.Lock()
	defer c.log.mu.Unlock()
	if c.log.watched == nil {
		c.log.watched = map[int]func(string, []byte){}
	}
	c.log.watches++
	n := c.log.watches
	c.log.watched[n] = to
	return func() {
		c.log.mu.Lock()
		defer c.log.mu.Unlock()
		delete(c.log.watched, n)
	}
}

// ReopenContainerLog makes the log file if it is not there, such as after it was
// moved away to be rotated.
func (r *Runtime) ReopenContainerLog(_ context.Context, id string) error {
	r.mu.Lock()
	c, err := r.findContainer(id)
	if err == nil && c.state != runtimeapi.ContainerState_CONTAINER_RUNNING {
		err = status.Error(codes.Unknown, "container is not running")
	}
	r.mu.Unlock()
	if err != nil || c.logPath() == "" {
		return err
	}
	f, err := c.openLog()
	if err != nil {
		return err
	}
	return f.Close()
}
