package containerd

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/podling/podling/runtime/containerd/images"
	"github.com/podling/podling/runtime/containerd/pause"
)

// checkMirrors refuses what containerd would only complain of at the first pull.
func checkMirrors(mirrors map[string]string) error {
	for host, mirror := range mirrors {
		u, err := url.Parse(mirror)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return fmt.Errorf("registry mirror %s=%s: want HOST=URL, as in docker.io=http://127.0.0.1:5000", host, mirror)
		}
		if host == "" || strings.ContainsAny(host, "/ ") {
			return fmt.Errorf("registry mirror %s=%s: %q is no registry's host, as docker.io is", host, mirror, host)
		}
	}
	return nil
}

// writeHosts tells containerd whom to ask for each registry's images: podling's
// own registry at address, then the mirror, then (by containerd's default) the
// registry itself. containerd reads the files at each pull.
// Format: containerd's docs/hosts.md.
func (l layout) writeHosts(address string, set *images.Set, mirrors map[string]string) error {
	if err := os.RemoveAll(l.certs()); err != nil {
		return err
	}
	own := "http://" + address
	asks := map[string][]string{}
	for _, host := range set.Hosts() {
		asks[host] = []string{own}
	}
	for host, mirror := range mirrors {
		asks[host] = append(asks[host], mirror)
	}
	for host, first := range asks {
		var b strings.Builder
		pauseHost, _, _ := strings.Cut(pause.Name, "/")
		if host == pauseHost { // exists nowhere else
			fmt.Fprintf(&b, "server = %q\n", own)
			first = slices.DeleteFunc(first, func(h string) bool { return h == own })
		}
		for _, h := range first {
			fmt.Fprintf(&b, "[host.%q]\n  capabilities = [\"pull\", \"resolve\"]\n", h)
		}
		dir := filepath.Join(l.certs(), host)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, "hosts.toml"), []byte(b.String()), 0o600); err != nil {
			return err
		}
	}
	return nil
}
