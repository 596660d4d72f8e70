package cgroup

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/moby/sys/mountinfo"
	"github.com/opencontainers/cgroups"
	"github.com/opencontainers/cgroups/fscommon"
)

// unifiedRoot is where cgroup v2 is mounted when it is the only one; runc asks for it there.
const unifiedRoot = "/sys/fs/cgroup"

// controllers are those that enforce what a pod may ask for.
var controllers = []string{"cpu", "memory", "pids", "hugetlb"}

// hierarchies are the mounted trees of control groups.
type hierarchies struct {
	unified bool // v2 alone
	// mounts maps a v1 controller to its mount point. The key "" is the v2 hierarchy, as the cgroups
	// library has it.
	mounts map[string]string
}

// findHierarchies looks at what is mounted.
func findHierarchies() (hierarchies, error) {
	if cgroups.IsCgroup2UnifiedMode() {
		return hierarchies{unified: true, mounts: map[string]string{"": unifiedRoot}}, nil
	}
	infos, err := mountinfo.GetMounts(mountinfo.FSTypeFilter("cgroup", "cgroup2"))
	if err != nil {
		return hierarchies{}, fmt.Errorf("find the mounted cgroup hierarchies: %w", err)
	}
	known, err := cgroups.GetAllSubsystems()
	if err != nil {
		return hierarchies{}, fmt.Errorf("list the kernel's cgroup controllers: %w", err)
	}
	mounts := map[string]string{}
	for _, info := range infos {
		for _, name := range mountedControllers(info, known) {
			// One controller may be mounted many times (in containers' trees); the shortest path is
			// the machine's own.
			if old, found := mounts[name]; !found || len(info.Mountpoint) < len(old) {
				mounts[name] = info.Mountpoint
			}
		}
	}
	if len(mounts) == 0 {
		return hierarchies{}, fmt.Errorf("no cgroup hierarchy is mounted below %s: pods cannot be limited", unifiedRoot)
	}
	return hierarchies{mounts: mounts}, nil
}

// mountedControllers are the controllers that one mount is for.
func mountedControllers(info *mountinfo.Info, known []string) []string {
	if info.FSType == "cgroup2" {
		return []string{""}
	}
	var names []string
	for option := range strings.SplitSeq(info.VFSOptions, ",") {
		if slices.Contains(known, option) || strings.HasPrefix(option, "name=") {
			names = append(names, option)
		}
	}
	return names
}

// paths are the folders of one group, which is named from the hierarchies' roots.
func (h hierarchies) paths(group string) map[string]string {
	paths := maps.Clone(h.mounts)
	for name, mount := range paths {
		paths[name] = filepath.Join(mount, group)
	}
	return paths
}

// limiting are those of the folders that a group is limited by. The others the runtime makes, when it
// puts the first container below; making them here too would be done twice for each pod.
func (h hierarchies) limiting(group string) map[string]string {
	paths := h.paths(group)
	maps.DeleteFunc(paths, func(name, _ string) bool { return !h.unified && !slices.Contains(controllers, name) })
	return paths
}

// folder is the one folder of a group that surely holds all its processes.
func (h hierarchies) folder(group string) string {
	if mount, found := h.mounts["cpu"]; found {
		return filepath.Join(mount, group)
	}
	first := slices.Min(slices.Collect(maps.Keys(h.mounts)))
	return filepath.Join(h.mounts[first], group)
}

// available says which of the controllers above can limit that group, which must exist.
func (h hierarchies) available(group string) (map[string]bool, error) {
	available := map[string]bool{}
	if !h.unified {
		for _, name := range controllers {
			_, available[name] = h.mounts[name]
		}
		return available, nil
	}
	data, err := os.ReadFile(filepath.Join(unifiedRoot, group, "cgroup.controllers"))
	if err != nil {
		return nil, fmt.Errorf("controllers of cgroup %s: %w", group, err)
	}
	for name := range strings.FieldsSeq(string(data)) {
		available[name] = true
	}
	return available, nil
}

// milliCPU is what the shares of an existing group stand for; 0 where the machine has no such
// controller.
func (h hierarchies) milliCPU(group string) int64 {
	if h.unified {
		weight, err := fscommon.GetCgroupParamUint(filepath.Join(unifiedRoot, group), "cpu.weight")
		if err != nil {
			return 0
		}
		return milliCPU(sharesOfWeight(weight))
	}
	shares, err := fscommon.GetCgroupParamUint(filepath.Join(h.mounts["cpu"], group), "cpu.shares")
	if err != nil {
		return 0
	}
	return milliCPU(shares)
}
