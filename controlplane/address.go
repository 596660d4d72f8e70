package controlplane

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// defaultListen keeps the API server on this machine, on a port that the kernel picks.
const defaultListen = "127.0.0.1:0"

// serviceIP is the API's own address in the service network: its first.
var serviceIP = net.IPv4(10, 96, 0, 1)

// addresses is where the API server is reached.
type addresses struct {
	listener net.Listener
	// advertise is what the endpoints of the kubernetes Service say: an address of this host that
	// others know. Upstream refuses a loopback address there. While the API server listens on
	// loopback alone it is the one on the pods' network, where it listens as well; without such a
	// network it is the host's own, and nobody answers at it.
	advertise net.IP
}

// listen binds the API server's address. Port 0 is whichever port is free, the one in portFile if it
// still is, so that a kubeconfig written by an earlier start stays right.
//
// If that is a loopback address, pods could not reach it: it then listens on the pods' address too,
// unless that is nil, on the same port.
func listen(address, portFile string, pods net.IP) (addresses, error) {
	if address == "" {
		address = defaultListen
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil || (host != "" && net.ParseIP(host) == nil) {
		return addresses{}, fmt.Errorf("%q is not an address to listen on: it takes the form ADDR:PORT, with an IP address of this machine and port 0 for any that is free", address)
	}
	var listener net.Listener
	if last, err := os.ReadFile(portFile); err == nil && port == "0" {
		listener, _ = net.Listen("tcp", net.JoinHostPort(host, strings.TrimSpace(string(last)))) // if not, the kernel picks
	}
	if listener == nil {
		listener, err = net.Listen("tcp", address)
	}
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return addresses{}, fmt.Errorf("another program listens on %s: choose another port, or port 0 for any that is free", address)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return addresses{}, fmt.Errorf("%s is not an address of this machine: listen on 127.0.0.1, on 0.0.0.0 for all, or on one that it has", host)
	case err != nil:
		return addresses{}, fmt.Errorf("listen for the API: %w", err)
	}
	a := addresses{listener: listener}
	a.advertise = a.listen()
	switch {
	case a.advertise.IsLoopback() && pods != nil:
		if err := a.listenFor(pods); err != nil {
			return addresses{}, errors.Join(err, listener.Close())
		}
	case a.advertise.IsLoopback() || a.advertise.IsUnspecified():
		a.advertise = HostIP()
	}
	if err := writeIfDifferent(portFile, []byte(strconv.Itoa(a.port())+"\n")); err != nil {
		return addresses{}, errors.Join(err, a.listener.Close())
	}
	return a, nil
}

// listenFor has it listen on the pods' address as well, which this machine may be about to get.
func (a *addresses) listenFor(pods net.IP) error {
	free := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) (err error) {
		failed := c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_FREEBIND, 1) })
		return errors.Join(failed, err)
	}}
	more, err := free.Listen(context.Background(), "tcp", net.JoinHostPort(pods.String(), strconv.Itoa(a.port())))
	if err != nil {
		return fmt.Errorf("listen for the API on the pods' network: %w", err)
	}
	a.advertise = pods
	a.listener = listenBoth(a.listener, more)
	return nil
}

func (a addresses) listen() net.IP { return a.listener.Addr().(*net.TCPAddr).IP }
func (a addresses) port() int      { return a.listener.Addr().(*net.TCPAddr).Port }

// url is where clients on this machine reach the API.
func (a addresses) url() string {
	ip := a.listen()
	if ip.IsUnspecified() {
		ip = net.IPv4(127, 0, 0, 1)
	}
	return "https://" + net.JoinHostPort(ip.String(), strconv.Itoa(a.port()))
}

// serving are the addresses that the API server's certificate must name.
func (a addresses) serving() []net.IP {
	ips := []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback, serviceIP, a.advertise}
	if !a.listen().IsUnspecified() {
		return append(ips, a.listen())
	}
	return append(ips, hostIPs()...)
}

// HostIP is the first global IPv4 address of this host, or a loopback address where it has none.
func HostIP() net.IP {
	for _, ip := range hostIPs() {
		if ip.To4() != nil {
			return ip
		}
	}
	return net.IPv4(127, 0, 0, 1)
}

// hostIPs are the global addresses of the interfaces that are up, in the interfaces' order. The bridges
// of podlings' pods, whose names begin so, lead nowhere else and may go.
func hostIPs() []net.IP {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil // a host that cannot tell its addresses has none to offer
	}
	var ips []net.IP
	for _, i := range interfaces {
		if i.Flags&net.FlagUp == 0 || strings.HasPrefix(i.Name, "podling") {
			continue
		}
		addrs, err := i.Addrs()
		if err != nil {
			continue // the interface went away
		}
		for _, addr := range addrs {
			if network, ok := addr.(*net.IPNet); ok && network.IP.IsGlobalUnicast() {
				ips = append(ips, network.IP)
			}
		}
	}
	return ips
}
