package containerd

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestOrphans: what a containerd that was killed had made for sandboxes of which the next one knows
// nothing is removed. What is of sandboxes stays.
func TestOrphans(t *testing.T) {
	m := newMachine(t)
	_, id := m.run("p", nil, nil, "sleep", "3600")
	l := m.daemon.files
	m.stop()
	of, err := l.orphans()
	if err != nil || len(of.namespaces) != 1 || len(of.addresses) != 1 {
		t.Fatalf("of one pod: %+v, %v", of, err)
	}
	mounted, half := filepath.Join(filepath.Dir(of.namespaces[0]), "cni-mounted"), filepath.Join(filepath.Dir(of.namespaces[0]), "cni-half")
	address := filepath.Join(filepath.Dir(of.addresses[0]), "10.160.0.99")
	for path, text := range map[string]string{mounted: "", half: "", address: "0123456789abcdef\r\neth0"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Mount("/proc/thread-self/ns/net", mounted, "", unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = removeNamespace(mounted) }) // where the test failed
	m.start()
	m.within(time.Minute, "what is nobody's is removed", func() error {
		is, err := l.orphans()
		if err == nil && (!slices.Equal(is.namespaces, of.namespaces) || !slices.Equal(is.addresses, of.addresses)) {
			err = fmt.Errorf("there are %v and %v", is.namespaces, is.addresses)
		}
		return err
	})
	m.wantRunning(id)
	if got := m.sh(id, "ip addr show eth0 >/dev/null && echo there"); got != "there" {
		t.Errorf("the pod's interface: %q", got)
	}
}
