package controlplane

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// childDir names the variable that makes the test binary a control plane to be killed.
const childDir = "PODLING_TEST_CONTROLPLANE_DIR"

// child runs a control plane, writes one object, says so, and waits to be killed.
func child(dir string) {
	c, err := Start(context.Background(), Config{DataDir: dir})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	client := kubernetes.NewForConfigOrDie(c.Admin())
	_, err = client.CoreV1().ConfigMaps("default").Create(context.Background(),
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "kept"}}, metav1.CreateOptions{})
	fmt.Println("written", err)
	select {}
}

func TestKilledGoesOn(t *testing.T) {
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if killErr := cmd.Process.Kill(); killErr != nil {
		t.Fatal(killErr)
	}
	var killed *exec.ExitError
	if waitErr := cmd.Wait(); !errors.As(waitErr, &killed) {
		t.Fatalf("it ended by itself: %v", waitErr)
	}
	if line != "written <nil>\n" {
		t.Fatalf("it said %q (%v)", line, err)
	}

	c := start(t, Config{DataDir: dir})
	if _, err := clientFor(t, c.Admin()).CoreV1().ConfigMaps("default").Get(t.Context(), "kept", metav1.GetOptions{}); err != nil {
		t.Errorf("what had been written is gone: %v", err)
	}
}

// TestEtcdClientsAreQuiet: what the API server's etcd clients have to say is not for the terminal.
// They complain of an etcd that ends before them.
func TestEtcdClientsAreQuiet(t *testing.T) {
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	data, dir := t.TempDir(), t.TempDir()
	etcd, err := startEtcd(data, false, log, zapcore.WarnLevel)
	if err != nil {
		t.Fatal(err)
	}
	c := start(t, Config{DataDir: dir, EtcdServers: []string{etcd.endpoint}})
	etcd.stop()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := clientFor(t, c.Admin()).CoreV1().ConfigMaps("default").Create(ctx,
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "lost"}}, metav1.CreateOptions{}); err == nil {
		t.Error("it was written without etcd")
	}
	eventually(t, "complaints in the log", func() error {
		said, err := os.ReadFile(filepath.Join(dir, "log", "controlplane.log"))
		if err == nil && !strings.Contains(string(said), "etcd-client") {
			err = errors.New("none")
		}
		return err
	})
	etcd, err = startEtcd(data, false, log, zapcore.WarnLevel) // what waits for it can end
	if err != nil {
		t.Fatal(err)
	}
	defer etcd.stop()
	if err := c.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestEtcdGivesUp: an etcd that cannot write, as on a full disk, ends the control plane, which says why
// and does not hang.
func TestEtcdGivesUp(t *testing.T) {
	c, err := Start(t.Context(), Config{DataDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	go c.etcd.gaveUp.OnWrite(&zapcore.CheckedEntry{Entry: zapcore.Entry{Message: "failed to save"}}, []zapcore.Field{zap.Error(syscall.ENOSPC)})
	select {
	case <-c.Done():
	case <-time.After(10 * time.Second):
		t.Fatal("it goes on")
	}
	if err := c.Err(); !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "etcd gave up: failed to save") {
		t.Errorf("it ended for %v", err)
	}
	stopped := make(chan error, 1)
	go func() { stopped <- c.Stop(t.Context()) }()
	select {
	case err := <-stopped:
		t.Logf("what else there was to say: %v", err)
	case <-time.After(20 * time.Second):
		t.Error("it does not end")
	}
}

// refused is the error of a start that must fail, and soon.
func refused(t *testing.T, cfg Config) string {
	t.Helper()
	began := time.Now()
	c, err := Start(t.Context(), cfg)
	if err == nil {
		t.Error("it started", c.Stop(t.Context()))
		return ""
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %v to fail", took)
	}
	return err.Error()
}

func TestPortTaken(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	address := taken.Addr().String()
	if got := refused(t, Config{DataDir: t.TempDir(), Listen: address}); !strings.Contains(got, "another program listens on "+address) {
		t.Error(got)
	}
}

func TestAddressThatIsNone(t *testing.T) {
	for _, address := range []string{"localhost", "localhost:0", "127.0.0.1", "1.2.3.4.5:6443"} {
		if got := refused(t, Config{DataDir: t.TempDir(), Listen: address}); !strings.Contains(got, "ADDR:PORT") {
			t.Errorf("%s: %s", address, got)
		}
	}
}

func TestAddressOfAnotherMachine(t *testing.T) {
	const elsewhere = "192.0.2.253:0" // for documentation only (RFC 5737)
	if got := refused(t, Config{DataDir: t.TempDir(), Listen: elsewhere}); !strings.Contains(got, "not an address of this machine") {
		t.Error(got)
	}
}

func TestFolderThatIsNone(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := refused(t, Config{DataDir: filepath.Join(file, "data")}); !strings.Contains(got, file) {
		t.Error(got)
	}
}

func TestOtherEtcd(t *testing.T) {
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	other, err := startEtcd(t.TempDir(), false, log, zapcore.WarnLevel)
	if err != nil {
		t.Fatal(err)
	}
	defer other.stop()
	dir := t.TempDir()
	c := start(t, Config{DataDir: dir, EtcdServers: []string{other.endpoint}})
	if _, err := clientFor(t, c.Admin()).CoreV1().Namespaces().Get(t.Context(), "default", metav1.GetOptions{}); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "etcd")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it has an etcd of its own as well: %v", err)
	}
	if err := c.Stop(t.Context()); err != nil { // before the etcd it uses
		t.Error(err)
	}
}

func TestOtherEtcdDoesNotAnswer(t *testing.T) {
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := "http://" + nobody.Addr().String()
	nobody.Close()
	if got := refused(t, Config{DataDir: t.TempDir(), EtcdServers: []string{server}}); !strings.Contains(got, server) {
		t.Error(got)
	}
}

func TestDamagedEtcd(t *testing.T) {
	dir := t.TempDir()
	first := start(t, Config{DataDir: dir})
	if err := first.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	logs, err := filepath.Glob(filepath.Join(dir, "etcd", "member", "wal", "*.wal"))
	if err != nil || len(logs) == 0 {
		t.Fatal("no log found", err)
	}
	for _, log := range logs {
		if err := os.WriteFile(log, []byte(strings.Repeat("not a log", 1000)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got := refused(t, Config{DataDir: dir}); !strings.Contains(got, filepath.Join(dir, "etcd")) {
		t.Error(got)
	}
}

func TestPartThatEnds(t *testing.T) {
	c := start(t, Config{DataDir: t.TempDir(), Ephemeral: true})
	c.workers.cancel()
	select {
	case <-c.Done():
	case <-time.After(10 * time.Second):
		t.Fatal("nobody noticed")
	}
	if err := c.Err(); err == nil || !strings.Contains(err.Error(), "ended") {
		t.Errorf("the reason is %v", err)
	}
}

func TestInterruptedStart(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	dir := t.TempDir()
	_, err := Start(ctx, Config{DataDir: dir, Ephemeral: true, Step: func(string, time.Duration) { cancel() }})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("the start ended with %v", err)
	}
	start(t, Config{DataDir: dir, Ephemeral: true}) // nothing holds the folder any more
}
