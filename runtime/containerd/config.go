package containerd

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"text/template"

	"golang.org/x/sys/unix"

	"github.com/podling/podling/runtime/containerd/pause"
)

// layout names the files below a daemon's folder.
type layout string

func (l layout) config() string   { return filepath.Join(string(l), "containerd.toml") }
func (l layout) socket() string   { return filepath.Join(string(l), "containerd.sock") }
func (l layout) endpoint() string { return "unix://" + l.socket() }
func (l layout) log() string      { return filepath.Join(string(l), "containerd.log") }
func (l layout) root() string     { return filepath.Join(string(l), "root") }
func (l layout) state() string    { return filepath.Join(string(l), "state") }
func (l layout) tasks() string {
	return filepath.Join(l.state(), "io.containerd.runtime.v2.task", "k8s.io")
}
func (l layout) boot() string      { return filepath.Join(string(l), "boot") }
func (l layout) certs() string     { return filepath.Join(string(l), "certs.d") }
func (l layout) cni() string       { return filepath.Join(string(l), "cni") }
func (l layout) addresses() string { return filepath.Join(string(l), "addresses") }

// maxSocketPath is what a Unix socket's address holds, the closing zero and
// the .ttrpc of containerd's second socket off.
const maxSocketPath = 107 - len(".ttrpc")

func (l layout) check() error {
	if n := len(l.socket()); n > maxSocketPath {
		return fmt.Errorf("the path of containerd's socket, %s, has %d characters and may have %d: choose a shorter --data-dir", l.socket(), n, maxSocketPath)
	}
	return nil
}

// disabledPlugins cost containerd time and memory at start, or reach outside
// the daemon's folder.
var disabledPlugins = []string{
	"io.containerd.differ.v1.erofs",
	"io.containerd.image-verifier.v1.bindir",
	"io.containerd.internal.v1.opt",
	"io.containerd.monitor.container.v1.restart",
	"io.containerd.mount-handler.v1.erofs",
	"io.containerd.snapshotter.v1.blockfile",
	"io.containerd.snapshotter.v1.btrfs",
	"io.containerd.snapshotter.v1.devmapper",
	"io.containerd.snapshotter.v1.erofs",
	"io.containerd.snapshotter.v1.zfs",
}

// Version 3 is what every containerd 2 reads. SystemdCgroup is false because
// the node makes its pods' cgroups itself, whatever the version of cgroups.
var configFile = template.Must(template.New("").Funcs(template.FuncMap{"toml": toml}).Parse(`# Written by podling at each start; changes are lost.
version = 3
root = {{toml .Root}}
state = {{toml .State}}
disabled_plugins = {{toml .Disabled}}

[grpc]
  address = {{toml .Socket}}

[plugins.'io.containerd.nri.v1.nri']
  disable = true

[plugins.'io.containerd.cri.v1.images']
  snapshotter = {{toml .Snapshotter}}
  [plugins.'io.containerd.cri.v1.images'.pinned_images]
    sandbox = {{toml .Pause}}
  [plugins.'io.containerd.cri.v1.images'.registry]
    config_path = {{toml .Certs}}

[plugins.'io.containerd.cri.v1.runtime']
  restrict_oom_score_adj = {{.RestrictOOM}}
  netns_mounts_under_state_dir = true
  [plugins.'io.containerd.cri.v1.runtime'.cni]
    bin_dirs = {{toml .CNIDirs}}
    conf_dir = {{toml .CNIConf}}
    use_internal_loopback = true
  [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
    runtime_type = 'io.containerd.runc.v2'
    runtime_path = {{toml .Shim}}
    [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
      BinaryName = {{toml .Runc}}
      SystemdCgroup = false
`))

// toml writes a string or a list of strings: JSON's form is TOML's too.
func toml(v any) (string, error) {
	b, err := json.Marshal(v)
	return string(b), err
}

// configFor is containerd's configuration for this machine.
func (l layout) configFor(p programs) ([]byte, error) {
	mayRaise, err := mayRaiseOOMScore()
	if err != nil {
		return nil, err
	}
	snapshotter, err := snapshotterFor(string(l))
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := configFile.Execute(&b, map[string]any{
		"Root": l.root(), "State": l.state(), "Socket": l.socket(), "Certs": l.certs(),
		"Disabled": disabledPlugins, "Snapshotter": snapshotter, "Pause": pause.Name,
		"RestrictOOM": !mayRaise, "CNIDirs": p.cniDirs, "CNIConf": l.cni(),
		"Shim": p.shim, "Runc": p.runc,
	}); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// mayRaiseOOMScore says whether this process has CAP_SYS_RESOURCE. Without it
// no process may get a lower OOM score than containerd's, and a sandbox whose
// specification asks for one would not start.
func mayRaiseOOMScore() (bool, error) {
	var data [2]unix.CapUserData
	if err := unix.Capget(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &data[0]); err != nil {
		return false, fmt.Errorf("reading this process's capabilities: %w", err)
	}
	return data[0].Effective&(1<<unix.CAP_SYS_RESOURCE) != 0, nil
}

// snapshotterFor is overlayfs, or plain copies where dir lies on an overlay
// already (podling in a container), because overlays do not stack.
func snapshotterFor(dir string) (string, error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return "", &os.PathError{Op: "statfs", Path: dir, Err: err}
	}
	if fs.Type == unix.OVERLAYFS_SUPER_MAGIC {
		return "native", nil
	}
	return "overlayfs", nil
}

// freshState removes what containerd noted about running containers before
// the machine was last started: none of them runs any more.
func (l layout) freshState() error {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return err
	}
	if last, err := os.ReadFile(l.boot()); err == nil && bytes.Equal(last, id) {
		return nil
	}
	if err := os.RemoveAll(l.state()); err != nil {
		return err
	}
	return os.WriteFile(l.boot(), id, 0o600)
}

// removeHalf removes the rest of tasks that a containerd was removing when it was killed: it gives their
// folders a name with a dot, once nothing is mounted there, and takes no notice of those later
// (atomicDelete in core/runtime/v2/bundle.go). To be called while no containerd runs.
func (l layout) removeHalf() error {
	half, err := filepath.Glob(filepath.Join(l.tasks(), ".?*"))
	for _, folder := range half {
		err = errors.Join(err, os.RemoveAll(folder))
	}
	return err
}
