package sim

import (
	"bufio"
	"bytes"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"syscall"
	"time"

	httpprobe "k8s.io/kubernetes/pkg/probe/http"
)

// address is the pod's; one on the node's own network has the node's, which is
// not known here.
func (c *container) address() string {
	if c.sandbox.ip.IsValid() {
		return c.sandbox.ip.String()
	}
	return "127.0.0.1"
}

// listens says whether one of the pod's programs listens. Only the pod itself can
// be reached.
func (c *container) listens(host string, port int) bool {
	c.r.mu.Lock()
	n := c.sandbox.net
	c.r.mu.Unlock()
	return c.itself(host) && n.Listens(port)
}

func (c *container) itself(host string) bool {
	return host == c.address() || host == "localhost" || host == "127.0.0.1"
}

// refused is the error of a connection to where nobody listens.
func refused(host string, port int) error {
	to := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port}
	if a, err := netip.ParseAddr(host); err == nil {
		to = net.TCPAddrFromAddrPort(netip.AddrPortFrom(a, uint16(port)))
	}
	return &net.OpError{Op: "dial", Net: "tcp", Addr: to, Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
}

// client asks the pod's own web servers, in the time that the clock tells.
func (c *container) client(timeout time.Duration) *http.Client {
	const followRedirectsElsewhere = false
	return &http.Client{Transport: transport{c, timeout}, CheckRedirect: httpprobe.RedirectChecker(followRedirectsElsewhere)}
}

type transport struct {
	c       *container
	timeout time.Duration
}

// RoundTrip is http.RoundTripper's.
func (t transport) RoundTrip(request *http.Request) (*http.Response, error) {
	port := 80
	if text := request.URL.Port(); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			return nil, err
		}
		port = n
	}
	var raw bytes.Buffer
	if err := request.Write(&raw); err != nil {
		return nil, err
	}
	if !t.c.listens(request.URL.Hostname(), port) {
		return nil, refused(request.URL.Hostname(), port)
	}
	t.c.r.mu.Lock()
	n := t.c.sandbox.net
	t.c.r.mu.Unlock()
	response, listening := n.Ask(t.c.r.clk, port, raw.Bytes(), t.timeout)
	switch {
	case !listening:
		return nil, refused(request.URL.Hostname(), port)
	case response == nil:
		return nil, errLate{}
	}
	return http.ReadResponse(bufio.NewReader(bytes.NewReader(response)), request)
}

// errLate is http's own error of a client whose time is over.
type errLate struct{}

// Error gives http's words.
func (errLate) Error() string {
	return "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
}
