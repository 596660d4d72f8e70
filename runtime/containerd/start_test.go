package containerd

import (
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/random"

	"github.com/podling/podling/runtime/containerd/images"
)

// What cannot work is said before anything is started or written.
func TestStartRefuses(t *testing.T) {
	cut := filepath.Join(t.TempDir(), "cut.tar")
	whole, err := os.ReadFile(busyboxArchive(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(cut, whole[:len(whole)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		path string // PATH; the test's own if empty
		cfg  Config
		want []string
	}{
		{"no programs", t.TempDir(), Config{}, []string{"containerd, containerd-shim-runc-v2", "make build", "--cri"}},
		{"an archive cut short", "", Config{Images: []string{cut}}, []string{cut, "is cut short"}},
		{"no archive", "", Config{Images: []string{"/no/such.tar"}}, []string{"/no/such.tar", "no such file"}},
		{"a mirror that is no URL", "", Config{Mirrors: map[string]string{"docker.io": "127.0.0.1:5000"}}, []string{"docker.io=127.0.0.1:5000", "want HOST=URL"}},
		{"a mirror for no host", "", Config{Mirrors: map[string]string{"docker.io/library": "http://127.0.0.1:5000"}}, []string{"docker.io/library", "no registry's host"}},
		{"a folder with too long a path", "", Config{Dir: "/tmp/" + strings.Repeat("long", 25)}, []string{"socket", "--data-dir"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.path != "" {
				t.Setenv("PATH", test.path)
			}
			if test.cfg.Dir == "" {
				test.cfg.Dir = filepath.Join(t.TempDir(), "ctr")
			}
			_, err := Start(t.Context(), test.cfg)
			if err == nil {
				t.Fatal("it starts")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not say %q", err, want)
				}
			}
			if _, err := os.Stat(test.cfg.Dir); !os.IsNotExist(err) {
				t.Errorf("something was written: %v", err)
			}
		})
	}
}

// A containerd that ends at once is told with its own words.
func TestStartTellsWhyContainerdEnds(t *testing.T) {
	bin := t.TempDir()
	for name, script := range map[string]string{
		"containerd":              "#!/bin/sh\necho 'cannot work: reasons' >&2; exit 1\n",
		"containerd-shim-runc-v2": "", "runc": "", "bridge": "", "host-local": "", "loopback": "", "portmap": "",
	} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	dir := filepath.Join(t.TempDir(), "ctr")
	_, err := Start(t.Context(), Config{Dir: dir})
	if err == nil || !strings.Contains(err.Error(), "cannot work: reasons") || !strings.Contains(err.Error(), dir+"/containerd.log") {
		t.Fatalf("error %v, want containerd's words and where its log is", err)
	}
	d := &Daemon{files: layout(dir)}
	if d.network, err = d.files.chooseNetwork(); err != nil {
		t.Fatal(err)
	}
	wantNoRules(t, d.network)
}

func TestSubnetsDoNotClash(t *testing.T) {
	one, two := layout(filepath.Join(t.TempDir(), "one")), layout(filepath.Join(t.TempDir(), "two"))
	a, err := one.chooseNetwork()
	if err != nil {
		t.Fatal(err)
	}
	b, err := two.chooseNetwork()
	if err != nil {
		t.Fatal(err)
	}
	if a.name == b.name || len(a.name) > 15 {
		t.Errorf("bridges %q and %q", a.name, b.name)
	}
	if a.subnet.Overlaps(b.subnet) {
		t.Errorf("subnets %v and %v", a.subnet, b.subnet)
	}
	// A kept subnet wins over the one that the folder's name gives.
	kept := Network{name: a.name, subnet: netip.MustParsePrefix("10.191.240.0/20"), mtu: 1500}
	if err := one.writeNetwork(kept); err != nil {
		t.Fatal(err)
	}
	if again, err := one.chooseNetwork(); err != nil || again.subnet != kept.subnet {
		t.Errorf("after a restart: %v %v, want %v", again.subnet, err, kept.subnet)
	}
}

func TestFree(t *testing.T) {
	pod := netip.MustParsePrefix("10.160.16.0/20")
	for other, want := range map[string]bool{
		"10.160.32.0/20":  true,
		"192.168.0.0/24":  true,
		"10.160.16.0/24":  false,
		"10.160.0.0/16":   false,
		"10.160.17.77/32": false,
		"10.0.0.0/8":      true, // a VPN's; the bridge's narrower route wins
	} {
		if got := free(pod, []netip.Prefix{netip.MustParsePrefix(other)}); got != want {
			t.Errorf("%v is free beside %s: %v, want %v", pod, other, got, want)
		}
	}
}

func TestHostsFiles(t *testing.T) {
	l := layout(t.TempDir())
	set, err := images.Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"podling.local/pause:1", "busybox:1.36", "localhost:5000/x:1"} {
		img, err := random.Image(10, 1)
		if err != nil {
			t.Fatal(err)
		}
		if err := set.Add(name, img); err != nil {
			t.Fatal(err)
		}
	}
	mirrors := map[string]string{"docker.io": "http://127.0.0.1:1", "quay.io": "https://mirror.example"}
	for _, own := range []string{"127.0.0.1:7", "127.0.0.1:8"} { // a restart writes them anew
		if err := l.writeHosts(own, set, mirrors); err != nil {
			t.Fatal(err)
		}
		asks := "  capabilities = [\"pull\", \"resolve\"]\n"
		for host, want := range map[string]string{
			"docker.io":      "[host.\"http://" + own + "\"]\n" + asks + "[host.\"http://127.0.0.1:1\"]\n" + asks,
			"quay.io":        "[host.\"https://mirror.example\"]\n" + asks,
			"localhost:5000": "[host.\"http://" + own + "\"]\n" + asks,
			"podling.local":  "server = \"http://" + own + "\"\n",
		} {
			got, err := os.ReadFile(filepath.Join(l.certs(), host, "hosts.toml"))
			if err != nil || string(got) != want {
				t.Errorf("%s: %v\n%s\nwant\n%s", host, err, got, want)
			}
		}
	}
}

// Masquerading by the bridge plugin would run iptables for each pod.
func TestNetworkIsWritten(t *testing.T) {
	l := layout(t.TempDir())
	n := Network{name: "podling12345678", subnet: netip.MustParsePrefix("10.160.16.0/20"), mtu: 1400}
	if err := l.writeNetwork(n); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(l.conflist())
	if err != nil {
		t.Fatal(err)
	}
	var c struct {
		Name    string
		Plugins []map[string]any
	}
	if err := json.Unmarshal(b, &c); err != nil {
		t.Fatal(err)
	}
	if bridge := c.Plugins[0]; c.Name != n.name || bridge["bridge"] != n.name || bridge["mtu"] != 1400.0 || bridge["ipMasq"] != nil {
		t.Errorf("%s", b)
	}
}
