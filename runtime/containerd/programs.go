package containerd

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// programs are the paths of what containerd needs to run a container.
type programs struct {
	containerd, shim, runc string
	cniDirs                []string // where the CNI plugins lie
}

// cniPlugins are those that the network configuration names, and those that
// bridge calls itself.
var cniPlugins = []string{"bridge", "host-local", "loopback", "portmap"}

// Where distributions put CNI plugins, which are not on PATH.
var cniPlaces = []string{"/opt/cni/bin", "/usr/lib/cni", "/usr/libexec/cni"}

// sbin is where iptables and, on Debian, runc lie; a user's PATH may lack it.
var sbin = []string{"/usr/sbin", "/sbin"}

// findPrograms looks beside the running program, then on PATH. The error names
// all that is missing at once.
func findPrograms() (programs, error) {
	self, err := os.Executable()
	if err != nil {
		return programs{}, err
	}
	if self, err = filepath.EvalSymlinks(self); err != nil {
		return programs{}, err
	}
	beside := filepath.Dir(self)
	places := append([]string{beside}, pathDirs()...)

	var p programs
	var missing []string
	for name, to := range map[string]*string{
		"containerd":              &p.containerd,
		"containerd-shim-runc-v2": &p.shim,
		"runc":                    &p.runc,
	} {
		if *to = find(name, places); *to == "" {
			missing = append(missing, name)
		}
	}
	for _, name := range cniPlugins {
		path := find(name, slices.Concat(places, cniPlaces))
		if path == "" {
			missing = append(missing, name)
		} else if dir := filepath.Dir(path); !slices.Contains(p.cniDirs, dir) {
			p.cniDirs = append(p.cniDirs, dir)
		}
	}
	if len(missing) > 0 {
		slices.Sort(missing)
		return p, fmt.Errorf("cannot run containers: no %s in %s or on PATH; `make build` in podling's source leaves them beside podling, or use a runtime that is there already with --cri, or no node with --runtime none",
			strings.Join(missing, ", "), beside)
	}
	return p, nil
}

// pathDirs are the folders of PATH, and sbin.
func pathDirs() []string {
	return append(filepath.SplitList(os.Getenv("PATH")), sbin...)
}

// find gives the absolute path of a program in the first place that has it.
func find(name string, places []string) string {
	for _, dir := range places {
		if dir == "" {
			continue // an empty element of PATH is the working folder: not for root's programs
		}
		path, err := exec.LookPath(filepath.Join(dir, name))
		if err != nil {
			continue
		}
		if path, err = filepath.Abs(path); err == nil {
			return path
		}
	}
	return ""
}

// mayRun says why this process cannot start containers, if so.
func mayRun() error {
	if os.Geteuid() != 0 {
		return errors.New("starting containers needs root: run podling with sudo, use a runtime that is there already with --cri, or no node with --runtime none")
	}
	return nil
}
