package cgroup

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/opencontainers/cgroups"
	"github.com/opencontainers/cgroups/fscommon"
	"k8s.io/apimachinery/pkg/types"
)

// Memory is the pod's working set in bytes: what it uses without the files that nobody read lately
// (cadvisor's definition, which upstream's kubelet has). The error is fs.ErrNotExist for a pod that
// has no group, or where the machine does not count memory.
func (m *Manager) Memory(uid types.UID) (uint64, error) {
	folder, err := m.counting(uid, "memory")
	if err != nil {
		return 0, err
	}
	usage, inactive := "memory.usage_in_bytes", "total_inactive_file"
	if m.hierarchies.unified {
		usage, inactive = "memory.current", "inactive_file"
	}
	used, err := fscommon.GetCgroupParamUint(folder, usage)
	if err != nil {
		return 0, fmt.Errorf("memory of pod %s: %w", uid, err)
	}
	text, err := os.ReadFile(filepath.Join(folder, "memory.stat"))
	if err != nil {
		return 0, fmt.Errorf("memory of pod %s: %w", uid, err)
	}
	for line := range strings.Lines(string(text)) {
		if value, found := strings.CutPrefix(line, inactive+" "); found {
			idle, err := strconv.ParseUint(strings.TrimSpace(value), 10, 64)
			if err != nil {
				return 0, fmt.Errorf("memory of pod %s: %s in memory.stat: %w", uid, inactive, err)
			}
			return used - min(idle, used), nil
		}
	}
	return used, nil
}

// Processes is how many processes the pod has. The error is fs.ErrNotExist for a pod that has no
// group.
func (m *Manager) Processes(uid types.UID) (uint64, error) {
	m.mu.Lock()
	group, found := m.pods[uid]
	m.mu.Unlock()
	if !found {
		return 0, fs.ErrNotExist
	}
	pids, err := cgroups.GetAllPids(m.hierarchies.folder(group.name))
	if err != nil {
		return 0, fmt.Errorf("processes of pod %s: %w", uid, err)
	}
	return uint64(len(pids)), nil
}

// counting is the pod's folder of that controller.
func (m *Manager) counting(uid types.UID, controller string) (string, error) {
	m.mu.Lock()
	group, found := m.pods[uid]
	m.mu.Unlock()
	if m.hierarchies.unified {
		controller = ""
	}
	mount, counted := m.hierarchies.mounts[controller]
	if !found || !counted {
		return "", fs.ErrNotExist
	}
	return filepath.Join(mount, group.name), nil
}
