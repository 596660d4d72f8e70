package controlplane

import (
	"errors"
	"net"
	"path/filepath"
	"strconv"
	"testing"
)

// An API server that listens on loopback alone is reached on the pods' address too, on the same port, and
// that is where the kubernetes Service leads.
func TestListensForPods(t *testing.T) {
	pods := net.IPv4(127, 0, 0, 2)
	a, err := listen("127.0.0.1:0", filepath.Join(t.TempDir(), "port"), pods)
	if err != nil {
		t.Fatal(err)
	}
	if !a.advertise.Equal(pods) {
		t.Errorf("the Service leads to %v, want %v", a.advertise, pods)
	}
	if !a.listen().Equal(net.IPv4(127, 0, 0, 1)) {
		t.Errorf("it says that it listens on %v", a.listen())
	}
	for _, host := range []string{"127.0.0.1", "127.0.0.2"} {
		client, err := net.Dial("tcp", net.JoinHostPort(host, strconv.Itoa(a.port())))
		if err != nil {
			t.Fatal(err)
		}
		server, err := a.listener.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if server.RemoteAddr().String() != client.LocalAddr().String() {
			t.Errorf("accepted %v, want %v", server.RemoteAddr(), client.LocalAddr())
		}
		if err := errors.Join(client.Close(), server.Close()); err != nil {
			t.Error(err)
		}
	}
	ended := make(chan error)
	go func() {
		_, err := a.listener.Accept()
		ended <- err
	}()
	if err := a.listener.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("after its end: %v", err)
	}
	if err := a.listener.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("ended twice: %v", err)
	}
}

// The pods' address may be one that the machine is about to get, and is not needed where others reach it.
func TestListensForPodsToCome(t *testing.T) {
	pods := net.IPv4(192, 0, 2, 254) // for documentation only (RFC 5737)
	a, err := listen("", filepath.Join(t.TempDir(), "port"), pods)
	if err != nil {
		t.Fatal(err)
	}
	defer a.listener.Close()
	if !a.advertise.Equal(pods) {
		t.Errorf("the Service leads to %v, want %v", a.advertise, pods)
	}
	open, err := listen("0.0.0.0:0", filepath.Join(t.TempDir(), "port"), pods)
	if err != nil {
		t.Fatal(err)
	}
	defer open.listener.Close()
	if !open.advertise.Equal(HostIP()) {
		t.Errorf("of one that listens everywhere, the Service leads to %v, want %v", open.advertise, HostIP())
	}
}
