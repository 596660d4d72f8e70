package web

import (
	"bytes"
	"net/http"
	"strconv"
	"sync"
	"time"

	"k8s.io/klog/v2"

	"github.com/podling/podling/trace"
)

const (
	// mostKept is how many bytes of lines are kept for those who come later, or are slow.
	mostKept = 256 << 20
	// batch is how many lines are sent at once at most.
	batch = 500
	// quiet is how long nothing is sent before a sign of life is.
	quiet = 15 * time.Second
)

// feed is the lines that were added, in order. Readers have a place in it, and no queue that could
// grow: one that is too slow misses what is no longer kept.
type feed struct {
	most int

	mu      sync.Mutex
	lines   [][]byte
	first   int // number of lines[0]
	bytes   int
	changed chan struct{} // closed when a line comes
}

func newFeed(most int) *feed {
	return &feed{most: most, changed: make(chan struct{})}
}

func (f *feed) add(e trace.Event) error {
	var line bytes.Buffer
	if err := trace.NewRecorder(&line).Print(e); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lines = append(f.lines, bytes.TrimSuffix(line.Bytes(), []byte("\n")))
	f.bytes += line.Len()
	for f.bytes > f.most && len(f.lines) > 1 {
		f.bytes -= len(f.lines[0]) + 1
		f.lines[0] = nil
		f.lines = f.lines[1:]
		f.first++
	}
	close(f.changed)
	f.changed = make(chan struct{})
	return nil
}

// from gives some lines from a number on, the number of the one after them, and what is closed when
// there are more.
func (f *feed) from(n int) (lines [][]byte, next int, changed <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n = max(n, f.first)
	if end := f.first + len(f.lines); n < end {
		lines = f.lines[n-f.first : min(n+batch, end)-f.first]
	}
	return lines, n + len(lines), f.changed
}

// events streams the lines as server-sent events, several in one: a browser that lost the connection
// comes back by itself and says where it was.
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	next := 0
	if last := r.Header.Get("Last-Event-ID"); last != "" {
		n, err := strconv.Atoi(last)
		if err != nil || n < 0 {
			http.Error(w, "Last-Event-ID is a number of ours", http.StatusBadRequest)
			return
		}
		next = n
	}
	out := http.NewResponseController(w)
	alive := time.NewTicker(quiet)
	defer alive.Stop()
	for first := true; ; first = false {
		lines, n, changed := s.feed.from(next)
		next = n
		message := []byte(": nothing new\n\n")
		if len(lines) > 0 {
			message = []byte("id: " + strconv.Itoa(next) + "\ndata: " + string(bytes.Join(lines, []byte("\ndata: "))) + "\n\n")
		} else if first {
			message = []byte("retry: 1000\n\n")
		}
		if _, err := w.Write(message); err != nil {
			return // the reader has gone
		}
		if err := out.Flush(); err != nil {
			klog.Background().V(2).Info("The page's reader has gone", "err", err)
			return
		}
		if len(lines) > 0 {
			continue
		}
		if !s.config.Live && next > 0 {
			<-r.Context().Done() // all has been said; a stream that ends is begun anew
			return
		}
		select {
		case <-changed:
		case <-alive.C:
		case <-r.Context().Done():
			return
		}
	}
}
