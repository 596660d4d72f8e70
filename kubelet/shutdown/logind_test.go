package shutdown

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
	"github.com/godbus/dbus/v5/prop"
	"k8s.io/kubernetes/pkg/kubelet/nodeshutdown/systemd"
)

// patience is how long the test waits for what must happen.
const patience = 30 * time.Second

// fakeLogind is what systemd-logind is to programs that delay a shutdown, on a bus of the test's own.
type fakeLogind struct {
	*testing.T
	address string
	conn    *dbus.Conn
	locks   chan [2]*os.File // taken: the end that shows that it is let go, and the one that was given away
}

const (
	name   = "org.freedesktop.login1"
	object = dbus.ObjectPath("/org/freedesktop/login1")
)

// Inhibit is logind's.
func (l *fakeLogind) Inhibit(what, who, why, mode string) (dbus.UnixFD, *dbus.Error) {
	if what != "shutdown" || mode != "delay" || who == "" || why == "" {
		return 0, dbus.MakeFailedError(fmt.Errorf("asked for %q %q %q %q", what, who, why, mode))
	}
	shows, given, err := os.Pipe()
	if err != nil {
		return 0, dbus.MakeFailedError(err)
	}
	fd := given.Fd()
	l.locks <- [2]*os.File{shows, given}
	return dbus.UnixFD(fd), nil
}

// startLogind starts a bus, and a logind on it that delays shutdowns by so much at most.
func startLogind(t *testing.T, delay time.Duration) *fakeLogind {
	t.Helper()
	l := &fakeLogind{T: t, locks: make(chan [2]*os.File, 8)}
	dir := t.TempDir()
	config := filepath.Join(dir, "bus.conf")
	text := `<busconfig><listen>unix:path=` + dir + `/bus</listen><auth>EXTERNAL</auth>
		<policy context="default"><allow send_destination="*"/><allow eavesdrop="true"/><allow own="*"/></policy></busconfig>`
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	daemon := exec.Command("dbus-daemon", "--nofork", "--nopidfile", "--print-address", "--config-file="+config)
	daemon.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := daemon.StdoutPipe()
	if err == nil {
		err = daemon.Start()
	}
	if err != nil {
		t.Fatalf("a bus for the test (apt-get install dbus-daemon, or make tools): %v", err)
	}
	t.Cleanup(func() {
		_ = daemon.Process.Signal(syscall.SIGTERM)
		_ = daemon.Wait() // of the signal
	})
	if l.address, err = bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	l.address = strings.TrimSpace(l.address)
	l.conn = l.connect()
	if _, err := prop.Export(l.conn, object, prop.Map{name + ".Manager": {
		"InhibitDelayMaxUSec": {Value: uint64(delay.Microseconds())},
	}}); err != nil {
		t.Fatal(err)
	}
	if err := l.conn.Export(l, object, name+".Manager"); err != nil {
		t.Fatal(err)
	}
	if _, err := l.conn.RequestName(name, dbus.NameFlagDoNotQueue); err != nil {
		t.Fatal(err)
	}
	return l
}

func (l *fakeLogind) connect() *dbus.Conn {
	l.Helper()
	conn, err := dbus.Connect(l.address)
	if err != nil {
		l.Fatal(err)
	}
	l.Cleanup(func() { _ = conn.Close() }) // the bus may be gone
	return conn
}

// lock waits until one is taken, and gives this process' own end of it, to be closed once the other side has
// got it. free is closed when both are.
func (l *fakeLogind) lock() (taken *os.File, free <-chan struct{}) {
	l.Helper()
	var ends [2]*os.File
	select {
	case ends = <-l.locks:
	case <-time.After(patience):
		l.Fatal("nobody asks logind to wait")
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if n, err := ends[0].Read(make([]byte, 1)); n != 0 {
			l.Errorf("the lock says %d, %v", n, err)
		}
		ends[0].Close()
	}()
	return ends[1], done
}

func (l *fakeLogind) say(down bool) {
	l.Helper()
	if err := l.conn.Emit(object, name+".Manager.PrepareForShutdown", down); err != nil {
		l.Fatal(err)
	}
}

func (l *fakeLogind) wait(what string, done <-chan struct{}) {
	l.Helper()
	select {
	case <-done:
	case <-time.After(patience):
		l.Fatalf("waited in vain: %s", what)
	}
}

// A machine that is about to shut down waits until the pods have ended, and no longer. One that does
// not after all has its pods taken again, and the next shutdown waits too.
func TestLogind(t *testing.T) {
	l := startLogind(t, time.Minute)
	h := newHouse()
	for i := range h.pods {
		h.takes[h.pods[i].Name] = 0
	}
	m, err := New(OnDemand, h.node())
	if err != nil {
		t.Fatal(err)
	}
	m.bus = func() (logind, error) { return &systemd.DBusCon{SystemBus: l.connect()}, nil }
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		m.Run(ctx)
	}()
	h.began = time.Now().Add(time.Hour) // what is told has no time, but for the hour
	for range 2 {
		given, free := l.lock()
		h.mu.Lock()
		h.told = nil
		h.mu.Unlock()
		l.say(true)
		l.until(h, "dns 10")
		given.Close() // who ends pods has read the reply with the lock
		l.wait("the machine may shut down", free)
		if m.Admit(nil) == nil {
			t.Error("a node that shuts down takes a pod")
		}
		l.say(false)
		l.until(h, "Shutdown Shutdown manager detected shutdown cancellation")
		if m.Admit(nil) != nil {
			t.Error("a node that does not shut down after all takes no pod")
		}
	}
	given, free := l.lock()
	cancel()
	l.wait("the end", ended)
	given.Close()
	l.wait("the lock that the end lets go", free)
}

// until waits until that was told.
func (l *fakeLogind) until(h *house, what string) {
	l.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		h.mu.Lock()
		told := slices.Clone(h.told)
		h.mu.Unlock()
		if slices.ContainsFunc(told, func(s string) bool { return strings.HasSuffix(s, " "+what) }) {
			return
		}
		if time.Now().After(deadline) {
			l.Fatalf("nobody says %q: %q", what, told)
		}
	}
}

// A bus that goes away is looked for again, and so is one that is not there yet.
func TestLogindComesBack(t *testing.T) {
	l := startLogind(t, time.Minute)
	h := newHouse()
	m, err := New(OnDemand, h.node())
	if err != nil {
		t.Fatal(err)
	}
	made := make(chan *dbus.Conn, 8)
	there := false
	m.bus = func() (logind, error) {
		if !there {
			there = true
			return nil, os.ErrNotExist
		}
		conn := l.connect()
		made <- conn
		return &systemd.DBusCon{SystemBus: conn}, nil
	}
	ended := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		defer close(ended)
		m.Run(ctx)
	}()
	defer cancel()
	given, free := l.lock()
	conn := <-made
	// What logind says is heard once the lock is held: a connection that ends while the lock is on its way
	// leaves it to nobody.
	m.set(true, detected)
	l.say(false)
	l.until(h, "Shutdown "+cancelled)
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	again, _ := l.lock()
	given.Close()
	l.wait("the lock of a connection that is gone", free)
	cancel()
	<-ended
	again.Close()
}
