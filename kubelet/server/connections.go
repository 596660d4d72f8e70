package server

import (
	"net"
	"sync"
)

// trackingListener knows the connections that are open. An http.Server forgets those that became
// streams (exec, attach, port-forward), so that nobody else could end them.
type trackingListener struct {
	net.Listener

	mu     sync.Mutex
	open   map[*trackedConn]struct{}
	closed bool
}

func track(l net.Listener) *trackingListener {
	return &trackingListener{Listener: l, open: map[*trackedConn]struct{}{}}
}

// Accept is net.Listener's.
func (l *trackingListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	tracked := &trackedConn{Conn: conn, listener: l}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		conn.Close()
		return nil, net.ErrClosed
	}
	l.open[tracked] = struct{}{}
	return tracked, nil
}

// closeAll ends every connection, and those that come after.
func (l *trackingListener) closeAll() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	for conn := range l.open {
		conn.Conn.Close()
	}
	clear(l.open)
}

type trackedConn struct {
	net.Conn
	listener *trackingListener
}

// Close is net.Conn's.
func (c *trackedConn) Close() error {
	c.listener.mu.Lock()
	delete(c.listener.open, c)
	c.listener.mu.Unlock()
	return c.Conn.Close()
}
