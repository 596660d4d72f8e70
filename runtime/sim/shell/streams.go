package shell

import (
	"io"
	"sync"
	"syscall"
)

// stream is what a descriptor stands for.
type stream interface {
	read(p *Proc, b []byte) (int, error)
	write(p *Proc, b []byte) (int, error)
	close(p *Proc)
}

// handle is an open stream, shared by all that have it. The last one closes it.
type handle struct {
	stream
	mu   sync.Mutex
	refs int
}

func open(s stream) *handle { return &handle{stream: s, refs: 1} }

func (h *handle) share() *handle {
	if h != nil {
		h.mu.Lock()
		h.refs++
		h.mu.Unlock()
	}
	return h
}

func (h *handle) release() {
	if h == nil {
		return
	}
	h.mu.Lock()
	h.refs--
	last := h.refs == 0
	h.mu.Unlock()
	if last {
		h.stream.close(nil)
	}
}

// table is a process's descriptors.
type table []*handle

func (t table) read(p *Proc, fd int, b []byte) (int, error) {
	if fd >= len(t) || t[fd] == nil {
		return 0, syscall.EBADF
	}
	return t[fd].read(p, b)
}

func (t table) write(p *Proc, fd int, b []byte) error {
	if fd >= len(t) || t[fd] == nil {
		return syscall.EBADF
	}
	_, err := t[fd].write(p, b)
	return err
}

func (t table) get(fd int) *handle {
	if fd < 0 || fd >= len(t) {
		return nil
	}
	return t[fd]
}

// set puts h at fd and closes what was there.
func (t *table) set(fd int, h *handle) {
	t.swap(fd, h).release()
}

// swap puts h at fd and gives what was there.
func (t *table) swap(fd int, h *handle) *handle {
	for len(*t) <= fd {
		*t = append(*t, nil)
	}
	was := (*t)[fd]
	(*t)[fd] = h
	return was
}

func (t table) clone() table {
	out := make(table, len(t))
	for i, h := range t {
		out[i] = h.share()
	}
	return out
}

func (t table) close() {
	for i, h := range t {
		h.release()
		t[i] = nil
	}
}

// standard are the three that a container's process begins with.
func (m *Machine) standard(to func(stream string, b []byte)) table {
	in := open(null{})
	if m.Stdin {
		in = open(silent{})
	}
	return table{in, open(output{to, "stdout"}), open(output{to, "stderr"})}
}

// output is handed out.
type output struct {
	to   func(string, []byte)
	name string
}

func (output) read(*Proc, []byte) (int, error) { return 0, io.EOF }
func (o output) write(_ *Proc, b []byte) (int, error) {
	if o.to != nil {
		o.to(o.name, b)
	}
	return len(b), nil
}
func (output) close(*Proc) {}

// null is /dev/null.
type null struct{}

func (null) read(*Proc, []byte) (int, error)      { return 0, io.EOF }
func (null) write(_ *Proc, b []byte) (int, error) { return len(b), nil }
func (null) close(*Proc)                          {}

// silent is an input on which nothing ever comes.
type silent struct{ null }

func (silent) read(p *Proc, _ []byte) (int, error) {
	p.wait(func() bool { return false })
	return 0, io.EOF
}

// zero is /dev/zero.
type zero struct{ null }

func (zero) read(p *Proc, b []byte) (int, error) {
	p.step()
	clear(b)
	return len(b), nil
}

// Input is a caller's, from outside. Read blocks like any reader's.
type Input interface{ io.Reader }

type inputStream struct{ Input }

func (i inputStream) read(p *Proc, b []byte) (n int, err error) {
	p.m.Clock.End()
	defer p.m.Clock.Begin()
	return i.Read(b)
}
func (inputStream) write(_ *Proc, b []byte) (int, error) { return len(b), nil }
func (inputStream) close(*Proc)                          {}

// collector keeps what is written, as memory of the container.
type collector struct {
	null
	buf []byte
}

func (c *collector) write(p *Proc, b []byte) (int, error) {
	if !p.m.hold(int64(len(b))) {
		p.alive()
	}
	c.buf = append(c.buf, b...)
	return len(b), nil
}

// pipeSize is how much a pipe takes before its writer has to wait.
const pipeSize = 64 << 10

type pipe struct {
	mu             sync.Mutex
	buf            []byte
	closed, broken bool // by the writers, by the readers
	reader, writer *Proc
}

// newPipe gives a pipe's two ends.
func newPipe() (r, w *handle) {
	p := &pipe{}
	return open(readEnd{p}), open(writeEnd{p})
}

func (p *pipe) wake(who **Proc) {
	p.mu.Lock()
	other := *who
	*who = nil
	p.mu.Unlock()
	if other != nil {
		other.bell.Ring(other.m.Clock)
	}
}

type readEnd struct{ *pipe }

func (e readEnd) read(p *Proc, b []byte) (n int, err error) {
	p.wait(func() bool {
		e.mu.Lock()
		defer e.mu.Unlock()
		if len(e.buf) == 0 && !e.closed {
			e.reader = p
			return false
		}
		n = copy(b, e.buf)
		e.buf = e.buf[n:]
		return true
	})
	if n == 0 && len(b) > 0 {
		return 0, io.EOF
	}
	e.wake(&e.pipe.writer)
	return n, nil
}

func (readEnd) write(*Proc, []byte) (int, error) { return 0, syscall.EBADF }

func (e readEnd) close(*Proc) {
	e.mu.Lock()
	e.broken = true
	e.mu.Unlock()
	e.wake(&e.pipe.writer)
}

type writeEnd struct{ *pipe }

func (e writeEnd) write(p *Proc, b []byte) (n int, err error) {
	for len(b) > 0 {
		broken := false
		p.step()
		p.wait(func() bool {
			e.mu.Lock()
			defer e.mu.Unlock()
			if broken = e.broken; broken {
				return true
			}
			free := pipeSize - len(e.buf)
			if free <= 0 {
				e.writer = p
				return false
			}
			k := min(free, len(b))
			e.buf = append(e.buf, b[:k]...)
			b, n = b[k:], n+k
			return true
		})
		if broken {
			p.signal(sigPipe, false)
			p.alive()
			return n, syscall.EPIPE
		}
		e.wake(&e.pipe.reader)
	}
	return n, nil
}

func (writeEnd) read(*Proc, []byte) (int, error) { return 0, syscall.EBADF }

func (e writeEnd) close(*Proc) {
	e.mu.Lock()
	e.closed = true
	e.mu.Unlock()
	e.wake(&e.pipe.reader)
}
