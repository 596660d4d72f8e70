package inprocess

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"sync"
)

// answerLimit is how many bytes of an answer may be written before they are read.
const answerLimit = 1 << 20

// answer is what the API server writes and a client in its own process reads. It begins with the
// first flush or, as most do, when all of it is written.
type answer struct {
	header http.Header // the handler's to fill until the status is known
	cancel func()
	begun  chan struct{} // closed when the client may look at code, sent and err, and read

	mu      sync.Mutex
	changed *sync.Cond
	started bool
	code    int
	sent    http.Header
	data    bytes.Buffer
	err     error // what comes after the data
}

func newAnswer(cancel func()) *answer {
	a := &answer{header: http.Header{}, cancel: cancel, begun: make(chan struct{})}
	a.changed = sync.NewCond(&a.mu)
	return a
}

// Header is the handler's to fill until the status is known.
func (a *answer) Header() http.Header { return a.header }

// WriteHeader says how the request went.
func (a *answer) WriteHeader(code int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.status(code)
}

// status is what the client will see. Called with mu held.
func (a *answer) status(code int) {
	if a.code == 0 && code >= http.StatusOK && a.err == nil {
		a.code, a.sent = code, a.header.Clone()
	}
}

// Write is the handler's. It waits for a client that reads more slowly.
func (a *answer) Write(p []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.status(http.StatusOK)
	for a.data.Len() > answerLimit && a.err == nil {
		a.begin() // or nobody would ever read
		a.changed.Wait()
	}
	if a.err != nil {
		return 0, a.err
	}
	a.changed.Broadcast()
	return a.data.Write(p)
}

// Flush has the answer begin.
func (a *answer) Flush() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.status(http.StatusOK)
	a.begin()
}

// begin lets the client read. Called with mu held.
func (a *answer) begin() {
	if !a.started {
		a.started = true
		close(a.begun)
	}
	a.changed.Broadcast()
}

// end is the end of the handler, or of the client's patience.
func (a *answer) end(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.err != nil {
		return
	}
	if err == io.EOF {
		a.status(http.StatusOK)
	}
	a.err = err
	a.begin()
}

// Read is the client's.
func (a *answer) Read(p []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for a.data.Len() == 0 && a.err == nil {
		a.changed.Wait()
	}
	if a.data.Len() == 0 {
		return 0, a.err
	}
	defer a.changed.Broadcast()
	return a.data.Read(p)
}

// Close is the client's, who wants no more.
func (a *answer) Close() error {
	a.cancel()
	a.end(context.Canceled) // what ends by the context ends a little later
	return nil
}

// CloseNotify is by what upstream knows the writer of a whole connection
// (k8s.io/apiserver/pkg/endpoints/responsewriter). Nobody waits for it: requests have contexts.
func (a *answer) CloseNotify() <-chan bool { return nil }
