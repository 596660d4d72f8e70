package controlplane

import (
	"errors"
	"net"
	"sync"
)

// bothListeners are two listeners for a server that takes one. Its address is the first's.
type bothListeners struct {
	net.Listener
	more     net.Listener
	accepted chan accepted
	closed   chan struct{}
	close    sync.Once
}

type accepted struct {
	conn net.Conn
	err  error
}

func listenBoth(first, more net.Listener) *bothListeners {
	b := &bothListeners{Listener: first, more: more, accepted: make(chan accepted), closed: make(chan struct{})}
	go b.from(first)
	go b.from(more)
	return b
}

// from hands on what a listener accepts, until both are closed.
func (b *bothListeners) from(l net.Listener) {
	for {
		conn, err := l.Accept()
		select {
		case b.accepted <- accepted{conn, err}:
		case <-b.closed:
			if err == nil {
				_ = conn.Close() // nobody will ever read from it
			}
			return
		}
	}
}

// Accept is the next connection to either.
func (b *bothListeners) Accept() (net.Conn, error) {
	select {
	case a := <-b.accepted:
		return a.conn, a.err
	case <-b.closed:
		return nil, net.ErrClosed
	}
}

// Close closes both.
func (b *bothListeners) Close() error {
	err := net.ErrClosed
	b.close.Do(func() {
		close(b.closed)
		err = errors.Join(b.Listener.Close(), b.more.Close())
	})
	return err
}
