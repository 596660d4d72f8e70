package fault

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
)

// Cut says whether the node is kept from its API server, or that from the node's
// port, and gives what is closed when the rules change.
func (f *Faults) Cut(node string) (fromServer, fromNode bool, changed <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, a := range f.rules {
		if a.Call.Cuts() && a.matches(a.Call, target{node: node}) {
			a.hits++
			fromServer = true
			fromNode = fromNode || a.Call == NodeUnreachable
		}
	}
	return fromServer, fromNode, f.changed
}

// Changed gives what is closed when the rules change.
func (f *Faults) Changed() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.changed
}

// errCut is what a request to an API server that cannot be reached fails with.
type errCut struct{ host string }

// Error has the words of an address that does not answer.
func (e errCut) Error() string {
	return fmt.Sprintf("dial tcp %s: connect: network is unreachable (a fault)", e.host)
}

// OnNode says on whose behalf the API server is asked, to those of Transport that
// serve several nodes.
func OnNode(ctx context.Context, node string) context.Context {
	return context.WithValue(ctx, targetKey{}, target{node: node})
}

// Transport gives the way to the API server with the faults before it: of the node,
// or, where that is "", of the one that OnNode or For names.
func (f *Faults) Transport(way http.RoundTripper, node string) http.RoundTripper {
	return transport{way, onNode{f, node}}
}

type transport struct {
	http.RoundTripper
	onNode
}

// RoundTrip is http.RoundTripper's. A stream, such as a watch, breaks off when its
// node is cut off.
func (t transport) RoundTrip(request *http.Request) (*http.Response, error) {
	node := t.node
	if node == "" {
		node = targetOf(request.Context()).node
	}
	cut, _, changed := t.faults.Cut(node)
	if cut {
		return nil, errCut{request.URL.Host}
	}
	response, err := t.RoundTripper.RoundTrip(request)
	if err != nil || request.URL.Query().Get("watch") == "" {
		return response, err
	}
	body := &breaking{ReadCloser: response.Body, closed: make(chan struct{})}
	response.Body = body
	go func() {
		for !cut {
			select {
			case <-changed:
				cut, _, changed = t.faults.Cut(node)
			case <-body.closed:
				return
			}
		}
		body.breakOff()
	}()
	return response, nil
}

// breaking is an answer that can break off.
type breaking struct {
	io.ReadCloser
	closed chan struct{}
	once   sync.Once
	broken atomic.Bool
}

// Read is io.Reader's.
func (b *breaking) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && b.broken.Load() {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// Close is io.Closer's.
func (b *breaking) Close() error {
	b.once.Do(func() { close(b.closed) })
	return b.ReadCloser.Close()
}

func (b *breaking) breakOff() {
	b.broken.Store(true)
	_ = b.ReadCloser.Close() // it is meant to fail
}
