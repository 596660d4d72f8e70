package stats

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	internalapi "k8s.io/cri-api/pkg/apis"
	statsapi "k8s.io/kubelet/pkg/apis/stats/v1alpha1"
	"k8s.io/kubernetes/pkg/kubelet/stats/pidlimit"
)

// Machine is what the machine has and what of it is free.
type Machine struct {
	Memory *statsapi.MemoryStats
	Rlimit *statsapi.RlimitStats
	Fs     *statsapi.FsStats // of the pods' folders
	// Images is the file system of the images; nil where the runtime does not say, or where its
	// folders cannot be seen.
	Images *statsapi.FsStats
	// ImagesApart: Images is another file system than Fs.
	ImagesApart bool
}

// Meter measures the machine. Its method may be called from several goroutines.
type Meter struct {
	images  internalapi.ImageManagerService
	rootDir string

	mu     sync.Mutex
	folder string // of the images; "" until the runtime has said it
}

// NewMeter makes a meter for the node whose pods' folders are below rootDir.
func NewMeter(images internalapi.ImageManagerService, rootDir string) *Meter {
	return &Meter{images: images, rootDir: rootDir}
}

// Machine looks at the machine now.
func (m *Meter) Machine(ctx context.Context) (Machine, error) {
	now := metav1.NewTime(time.Now())
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return Machine{}, fmt.Errorf("how much memory is free: %w", err)
	}
	out := Machine{Memory: memory(string(text), now)}
	if out.Rlimit, err = pidlimit.Stats(); err != nil {
		return Machine{}, fmt.Errorf("how many processes there are: %w", err)
	}
	if out.Fs, err = fileSystem(m.rootDir, now); err != nil {
		return Machine{}, err
	}
	folder := m.imageFolder(ctx)
	if folder == "" {
		return out, nil // a runtime that is away is reported as that
	}
	if device(folder) == 0 {
		return out, nil // a runtime may run where its folders cannot be seen
	}
	out.ImagesApart = device(folder) != device(m.rootDir)
	out.Images, err = fileSystem(folder, now)
	return out, err
}

// imageFolder is where the runtime keeps images: it is asked until it has answered.
func (m *Meter) imageFolder(ctx context.Context) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.folder != "" {
		return m.folder
	}
	info, err := m.images.ImageFsInfo(ctx)
	if err == nil && len(info.GetImageFilesystems()) > 0 {
		m.folder = info.GetImageFilesystems()[0].GetFsId().GetMountpoint()
	}
	return m.folder
}

// memory reads /proc/meminfo. Available is upstream's definition: all but the working set, which
// leaves out files that nobody read lately.
func memory(text string, now metav1.Time) *statsapi.MemoryStats {
	values := map[string]uint64{}
	for line := range strings.Lines(text) {
		name, rest, _ := strings.Cut(line, ":")
		if kb, err := strconv.ParseUint(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64); err == nil {
			values[name] = kb * 1024
		}
	}
	available := values["MemFree"] + values["Inactive(file)"]
	used := values["MemTotal"] - values["MemFree"]
	working := values["MemTotal"] - available
	return &statsapi.MemoryStats{Time: now, AvailableBytes: &available, UsageBytes: &used, WorkingSetBytes: &working}
}

func fileSystem(folder string, now metav1.Time) (*statsapi.FsStats, error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(folder, &fs); err != nil {
		return nil, fmt.Errorf("free space of the file system of %s: %w", folder, err)
	}
	size := uint64(fs.Frsize)
	available, capacity, used := fs.Bavail*size, fs.Blocks*size, (fs.Blocks-fs.Bfree)*size
	out := &statsapi.FsStats{Time: now, AvailableBytes: &available, CapacityBytes: &capacity, UsedBytes: &used}
	if fs.Files > 0 { // btrfs does not count them: it has enough
		inodes, free, taken := fs.Files, fs.Ffree, fs.Files-fs.Ffree
		out.Inodes, out.InodesFree, out.InodesUsed = &inodes, &free, &taken
	}
	return out, nil
}

// device is the file system that a folder is on; 0 if the folder is not there.
func device(folder string) uint64 {
	var s unix.Stat_t
	if unix.Stat(folder, &s) != nil {
		return 0
	}
	return uint64(s.Dev)
}
