package node

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
	"k8s.io/utils/cpuset"
)

// machine is what does not change while the node runs.
type machine struct {
	machineID, systemUUID, bootID string
	kernel, os                    string
	cpus                          int
	memory, swap, storage         int64           // bytes; storage is that of the pods' file system
	hugePages                     map[int64]int64 // page size to all pages of that size, in bytes
}

// inspect reads the machine's facts below root ("/"), and the size of the file system of rootDir.
func inspect(root, rootDir string) (machine, error) {
	read := func(names ...string) string { return firstOf(root, names...) }
	m := machine{
		machineID: read("etc/machine-id", "var/lib/dbus/machine-id"),
		bootID:    read("proc/sys/kernel/random/boot_id"),
		systemUUID: read("sys/class/dmi/id/product_uuid", "proc/device-tree/system-id",
			"proc/device-tree/vm,uuid", "etc/machine-id"),
		os: prettyName(read("etc/os-release", "usr/lib/os-release")),
	}
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return m, fmt.Errorf("the kernel's version: %w", err)
	}
	m.kernel = unix.ByteSliceToString(name.Release[:])
	online, err := cpuset.Parse(read("sys/devices/system/cpu/online"))
	if err != nil {
		return m, fmt.Errorf("the machine's processors: %w", err)
	}
	m.cpus = online.Size()
	memory := meminfo(read("proc/meminfo"))
	m.memory, m.swap = memory["MemTotal"], memory["SwapTotal"]
	if m.memory == 0 || m.cpus == 0 {
		return m, fmt.Errorf("the machine's size is not to be read from %s: %d processors, %d bytes of memory",
			filepath.Join(root, "proc"), m.cpus, m.memory)
	}
	if m.hugePages, err = hugePages(filepath.Join(root, "sys/kernel/mm/hugepages")); err != nil {
		return m, err
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(rootDir, &fs); err != nil {
		return m, fmt.Errorf("the size of the file system of %s: %w", rootDir, err)
	}
	m.storage = int64(fs.Blocks) * fs.Frsize
	return m, nil
}

// firstOf is the content of the first file that can be read and is not empty, without the white
// space (or zero byte) around it.
func firstOf(root string, names ...string) string {
	for _, name := range names {
		if data, err := os.ReadFile(filepath.Join(root, name)); err == nil && len(data) > 0 {
			return strings.Trim(string(data), " \n\x00")
		}
	}
	return ""
}

// prettyName is what an os-release file calls the system.
func prettyName(release string) string {
	for line := range strings.Lines(release) {
		if value, found := strings.CutPrefix(strings.TrimSpace(line), "PRETTY_NAME="); found {
			return strings.Trim(value, `"'`)
		}
	}
	return "Linux"
}

// meminfo reads /proc/meminfo, in bytes.
func meminfo(text string) map[string]int64 {
	values := map[string]int64{}
	for line := range strings.Lines(text) {
		name, rest, _ := strings.Cut(line, ":")
		if kb, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64); err == nil {
			values[name] = kb * 1024
		}
	}
	return values
}

// hugePages reads how much memory is set aside for each size of huge page. A kernel without them has
// no such folder.
func hugePages(dir string) (map[int64]int64, error) {
	folders, err := filepath.Glob(filepath.Join(dir, "hugepages-*kB"))
	if err != nil {
		return nil, err
	}
	sizes := map[int64]int64{}
	for folder := range slices.Values(folders) {
		size, errSize := strconv.ParseInt(strings.TrimSuffix(strings.TrimPrefix(filepath.Base(folder), "hugepages-"), "kB"), 10, 64)
		pages, errPages := strconv.ParseInt(firstOf(folder, "nr_hugepages"), 10, 64)
		if errSize != nil || errPages != nil {
			return nil, fmt.Errorf("huge pages in %s: cannot be read", folder)
		}
		sizes[size*1024] = size * 1024 * pages
	}
	return sizes, nil
}
