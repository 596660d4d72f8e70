package shell

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/podling/podling/clock"
)

// Net is a pod's network: which of its programs listens on which port.
type Net struct {
	mu        sync.Mutex
	listeners map[int]*listener
}

// listener is a program that takes connections.
type listener struct {
	proc  *Proc
	serve func(request []byte) []byte // answers at once; nil: the process does, with conn
	conn  *conn
}

// conn is one that waits for its answer.
type conn struct {
	request, response []byte
	done              bool
	notify            func()
}

// listen enters a listener; false if the port is taken.
func (n *Net) listen(port int, l *listener) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.listeners[port] != nil {
		return false
	}
	if n.listeners == nil {
		n.listeners = map[int]*listener{}
	}
	n.listeners[port] = l
	return true
}

func (n *Net) forget(port int, l *listener) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.listeners[port] == l {
		delete(n.listeners, port)
	}
	if l.conn != nil && !l.conn.done { // the process ends, and so does its connection
		l.conn.done = true
		defer l.conn.notify()
	}
}

// Listens says whether something listens on a port.
func (n *Net) Listens(port int) bool {
	if n == nil {
		return false
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.listeners[port] != nil
}

// send hands a request to what listens; false if nothing does. Then c is to be waited for.
func (n *Net) send(port int, c *conn) bool {
	if n == nil {
		return false
	}
	n.mu.Lock()
	l := n.listeners[port]
	if l == nil || l.serve == nil && l.conn != nil {
		n.mu.Unlock()
		return false
	}
	if l.serve == nil {
		l.conn = c
		n.mu.Unlock()
		l.proc.bell.Ring(l.proc.m.Clock)
		return true
	}
	n.mu.Unlock()
	c.response = l.serve(c.request)
	n.answer(c, c.response)
	return true
}

func (n *Net) answer(c *conn, response []byte) {
	n.mu.Lock()
	c.response, c.done = response, true
	n.mu.Unlock()
	c.notify()
}

func (n *Net) answered(c *conn) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return c.done
}

// Ask sends a request to a port from outside the pod and waits for the answer.
// The caller has begun something. listening is false if nothing does; an answer
// that is later than timeout is nil.
func (n *Net) Ask(clk clock.Clock, port int, request []byte, timeout time.Duration) (response []byte, listening bool) {
	var bell Bell
	var mu sync.Mutex
	late := false
	c := &conn{request: request, notify: func() { bell.Ring(clk) }}
	if !n.send(port, c) {
		return nil, false
	}
	t := clk.AfterFunc(timeout, func() {
		mu.Lock()
		late = true
		mu.Unlock()
		bell.Ring(clk)
	})
	defer t.Stop()
	for !n.answered(c) {
		mu.Lock()
		over := late
		mu.Unlock()
		if over {
			return nil, true
		}
		bell.Wait(clk)
	}
	return c.response, true
}

// ask is Ask from one of the pod's own programs.
func (c *call) ask(port int, request []byte) (response []byte, listening bool) {
	to := &conn{request: request, notify: func() { c.bell.Ring(c.m.Clock) }}
	if !c.m.Net.send(port, to) {
		return nil, false
	}
	c.wait(func() bool { return c.m.Net.answered(to) })
	return to.response, true
}

// httpd serves a folder: httpd [-f] [-p [ADDRESS:]PORT] [-h DIR].
func httpd(c *call) int {
	port, home, front := 80, c.dir, false
	for args := c.args[1:]; len(args) > 0; args = args[1:] {
		flag := args[0]
		value := ""
		if len(flag) > 2 {
			value = flag[2:]
		} else if len(args) > 1 {
			value = args[1]
		}
		switch {
		case strings.HasPrefix(flag, "-f"), strings.HasPrefix(flag, "-v"):
			front = front || flag != "-v"
			continue
		case strings.HasPrefix(flag, "-p"):
			if _, err := fmt.Sscanf(value[strings.LastIndex(value, ":")+1:], "%d", &port); err != nil {
				return c.fail("bad port '%s'", value)
			}
		case strings.HasPrefix(flag, "-h"):
			home = c.path(value)
		}
		if len(flag) == 2 && len(args) > 1 {
			args = args[1:]
		}
	}
	l := &listener{serve: func(request []byte) []byte { return c.m.serve(home, request) }}
	if c.m.Net == nil || !c.m.Net.listen(port, l) {
		return c.fail("bind: Address already in use")
	}
	serve := func(p *Proc) int {
		l.proc = p
		defer c.m.Net.forget(port, l)
		p.wait(func() bool { return false })
		return 0
	}
	if front {
		return serve(c.Proc)
	}
	c.spawn(c.args, serve)
	return 0
}

// serve answers an HTTP request from a folder.
func (m *Machine) serve(home string, request []byte) []byte {
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(request)))
	if err != nil {
		return []byte("HTTP/1.0 400 Bad Request\r\n\r\n")
	}
	name := path.Join(home, path.Clean("/"+r.URL.Path))
	if i, err := m.Files().stat(name, true); err == nil && i.IsDir() {
		name = path.Join(name, "index.html")
	}
	h, err := m.Files().open(name, 0, time.Time{})
	if err != nil {
		const body = "<HTML><HEAD><TITLE>404 Not Found</TITLE></HEAD>\n<BODY><H1>404 Not Found</H1>\nThe requested URL was not found\n</BODY></HTML>\n"
		return fmt.Appendf(nil, "HTTP/1.1 404 Not Found\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	}
	defer h.release()
	body, err := io.ReadAll(readerFunc(func(b []byte) (int, error) { return h.read(nil, b) }))
	if err != nil {
		return []byte("HTTP/1.1 500 Internal Server Error\r\n\r\n")
	}
	return fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

// nc takes one connection (nc -l -p PORT), or makes one (nc HOST PORT).
func nc(c *call) int {
	listens, keep := false, false
	port := 0
	var rest []string
	for args := c.args[1:]; len(args) > 0; args = args[1:] {
		switch flag := args[0]; {
		case flag == "-p" && len(args) > 1:
			fmt.Sscan(args[1], &port)
			args = args[1:]
		case (flag == "-w" || flag == "-s" || flag == "-i") && len(args) > 1:
			args = args[1:]
		case flag == "-e":
			args = args[len(args)-1:]
		case strings.HasPrefix(flag, "-"):
			listens = listens || strings.Contains(flag, "l")
			keep = keep || strings.Contains(flag, "k") || strings.HasPrefix(flag, "-ll")
			if strings.HasSuffix(flag, "p") && len(args) > 1 {
				fmt.Sscan(args[1], &port)
				args = args[1:]
			}
		default:
			rest = append(rest, flag)
		}
	}
	if !listens {
		if len(rest) < 2 {
			return c.fail("usage: nc HOST PORT")
		}
		fmt.Sscan(rest[1], &port)
		if !c.local(rest[0]) || !c.m.Net.Listens(port) {
			return c.fail("can't connect to remote host (%s): Connection refused", rest[0])
		}
		request, err := io.ReadAll(c.reader(0))
		if err != nil {
			return 1
		}
		response, _ := c.ask(port, request)
		c.write(1, response)
		return 0
	}
	if port == 0 && len(rest) > 0 {
		fmt.Sscan(rest[len(rest)-1], &port)
	}
	for {
		l := &listener{proc: c.Proc}
		if c.m.Net == nil || !c.m.Net.listen(port, l) {
			return c.fail("bind: Address already in use")
		}
		c.accept(port, l)
		if !keep {
			return 0
		}
	}
}

func (c *call) accept(port int, l *listener) {
	n := c.m.Net
	defer n.forget(port, l)
	var got *conn
	c.wait(func() bool {
		n.mu.Lock()
		defer n.mu.Unlock()
		got = l.conn
		return got != nil
	})
	response, err := io.ReadAll(c.reader(0))
	if err != nil {
		response = nil
	}
	c.write(1, got.request)
	n.answer(got, response)
}

// local says whether a host is the pod itself.
func (c *call) local(host string) bool {
	return host == "localhost" || strings.HasPrefix(host, "127.") || host == "::1" || host == c.m.Hostname || host == c.m.IP
}

// wget gets a page from the pod's own ports: wget [-qO FILE] URL.
func wget(c *call) int {
	to, url, quiet := "", "", false
	for args := c.args[1:]; len(args) > 0; args = args[1:] {
		a := args[0]
		switch {
		case strings.HasPrefix(a, "-") && len(a) > 1 && !strings.HasPrefix(a, "--"):
			quiet = quiet || strings.Contains(a, "q")
			if i := strings.IndexByte(a, 'O'); i > 0 {
				if to = a[i+1:]; to == "" && len(args) > 1 {
					to, args = args[1], args[1:]
				}
			} else if (a == "-T" || a == "-t") && len(args) > 1 {
				args = args[1:]
			}
		case a == "--spider":
			to = "/dev/null"
		case !strings.HasPrefix(a, "--"):
			url = a
		}
	}
	url = strings.TrimPrefix(url, "http://")
	host, file, _ := strings.Cut(url, "/")
	name, port := host, 80
	if h, p, ok := strings.Cut(host, ":"); ok {
		name = h
		fmt.Sscan(p, &port)
	}
	if !c.local(name) {
		return c.fail("bad address '%s'", host)
	}
	response, listening := c.ask(port, []byte("GET /"+file+" HTTP/1.1\r\nHost: "+host+"\r\nUser-Agent: Wget\r\nConnection: close\r\n\r\n"))
	if !listening {
		return c.fail("can't connect to remote host (127.0.0.1): Connection refused")
	}
	r, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(response)), nil)
	if err != nil {
		return c.fail("error getting response")
	}
	defer r.Body.Close()
	if r.StatusCode != http.StatusOK {
		return c.fail("server returned error: HTTP/1.1 %s", r.Status)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return c.fail("connection closed prematurely")
	}
	if to == "-" {
		c.write(1, body)
		return 0
	}
	if to == "" {
		if to = path.Base(file); file == "" {
			to = "index.html"
		}
	}
	if !quiet {
		c.write(2, []byte("Connecting to "+host+"\nsaving to '"+to+"'\n"))
	}
	return c.save(to, body)
}
