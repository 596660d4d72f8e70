package survive

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/podling/podling/runtime/cri"
)

// left is what pods that are gone have left on the machine: sandboxes and containers in the
// runtime, shims, mounts, network namespaces, addresses and interfaces, cgroups, volumes' folders, logs.
func (g *Ground) left(ctx context.Context, uids []string) ([]string, error) {
	found, err := inRuntime(ctx, g.runtime)
	if err != nil {
		return nil, err
	}
	for _, look := range []func() ([]string, error){
		g.shims, g.mounts, g.addresses, g.interfaces,
		func() ([]string, error) { return cgroups(uids) },
		func() ([]string, error) {
			return entries("task", g.data(), "containerd/state/io.containerd.runtime.v2.task/*/*")
		},
		func() ([]string, error) { return entries("network namespace", g.data(), "containerd/state/*/netns/*") },
		func() ([]string, error) { return entries("folder of a pod", g.data(), "kubelet/pods/*") },
		func() ([]string, error) { return entries("logs", g.data(), "log/pods/*") },
	} {
		more, err := look()
		if err != nil {
			return nil, err
		}
		found = append(found, more...)
	}
	return found, nil
}

func inRuntime(ctx context.Context, runtime *cri.Runtime) ([]string, error) {
	sandboxes, err := runtime.ListPodSandbox(ctx, nil)
	if err != nil {
		return nil, err
	}
	containers, err := runtime.ListContainers(ctx, nil)
	if err != nil {
		return nil, err
	}
	var found []string
	for _, s := range sandboxes {
		found = append(found, "sandbox "+s.GetMetadata().GetName()+" "+s.Id)
	}
	for _, c := range containers {
		found = append(found, "container "+c.Labels["io.kubernetes.pod.name"]+"/"+c.GetMetadata().GetName()+" "+c.Id)
	}
	return found, nil
}

// shims are the processes that mind pods' containers.
func (g *Ground) shims() ([]string, error) {
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return nil, err
	}
	var found []string
	for _, file := range files {
		line, err := os.ReadFile(file)
		if err == nil && strings.Contains(string(line), g.data()+"/") && strings.Contains(string(line), "containerd-shim") {
			found = append(found, "process "+strings.Split(file, "/")[2]+": "+strings.ReplaceAll(string(line), "\x00", " "))
		}
	}
	return found, nil
}

func (g *Ground) mounts() ([]string, error) {
	raw, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	var found []string
	for line := range strings.Lines(string(raw)) {
		if fields := strings.Fields(line); len(fields) > 4 && strings.HasPrefix(fields[4], g.data()+"/") {
			found = append(found, "mount "+fields[4])
		}
	}
	return found, nil
}

// addresses are those that the network's IPAM has given away.
func (g *Ground) addresses() ([]string, error) {
	files, err := filepath.Glob(filepath.Join(g.data(), "containerd", "addresses", "*", "*"))
	if err != nil {
		return nil, err
	}
	var found []string
	for _, file := range files {
		if net.ParseIP(filepath.Base(file)) != nil {
			found = append(found, "address "+filepath.Base(file))
		}
	}
	return found, nil
}

// bridge is the name of the pods' bridge; "" before there is one.
func (g *Ground) bridge() string {
	files, _ := filepath.Glob(filepath.Join(g.data(), "containerd", "cni", "*.conflist")) // the pattern is well formed
	for _, file := range files {
		raw, err := os.ReadFile(file)
		var conf struct{ Plugins []struct{ Bridge string } }
		if err == nil && json.Unmarshal(raw, &conf) == nil && len(conf.Plugins) > 0 {
			return conf.Plugins[0].Bridge
		}
	}
	return ""
}

// interfaces are those that hang on the pods' bridge.
func (g *Ground) interfaces() ([]string, error) {
	list, err := os.ReadDir("/sys/class/net/" + g.bridge() + "/brif")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var found []string
	for _, e := range list {
		found = append(found, "interface "+e.Name())
	}
	return found, err
}

// cgroups are those of the pods with these UIDs.
func cgroups(uids []string) ([]string, error) {
	var found []string
	for _, pattern := range []string{"/sys/fs/cgroup/podling-*", "/sys/fs/cgroup/*/podling-*"} { // v2, v1
		roots, err := filepath.Glob(pattern)
		if err != nil {
			return nil, err
		}
		for _, root := range roots {
			err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
				if errors.Is(err, fs.ErrNotExist) { // it has just gone
					return nil
				}
				if err == nil && entry.IsDir() && slices.ContainsFunc(uids, func(uid string) bool { return strings.Contains(entry.Name(), uid) }) {
					found = append(found, "cgroup "+path)
				}
				return err
			})
			if err != nil {
				return nil, err
			}
		}
	}
	return found, nil
}

func entries(what, below, pattern string) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(below, pattern))
	if err != nil {
		return nil, err
	}
	for i, file := range files {
		files[i] = fmt.Sprintf("%s %s", what, strings.TrimPrefix(file, below+"/"))
	}
	return files, nil
}
