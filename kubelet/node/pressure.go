package node

import (
	"context"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// What must be free, or the node is under pressure: upstream's defaults for hard eviction
// (pkg/kubelet/eviction/defaults_linux.go). There is none for process ids.
const (
	leastMemory       = 100 << 20 // bytes
	leastNodeStorage  = 0.10      // parts of the file system of the pods' folders
	leastImageStorage = 0.15      // parts of the images' file system
	leastInodes       = 0.05      // parts of either
)

// pressureLasts is how long a pressure is reported after it was seen last, so that a node at the
// edge does not take and refuse pods in turns (upstream's evictionPressureTransitionPeriod).
const pressureLasts = 5 * time.Minute

// pressures are those that a node reports.
type pressures struct{ memory, disk bool }

// pressure remembers when each was seen last.
type pressure struct{ memory, disk time.Time }

// note adds what is seen at now and says what is to be reported.
func (p *pressure) note(seen pressures, now time.Time) pressures {
	if seen.memory {
		p.memory = now
	}
	if seen.disk {
		p.disk = now
	}
	return pressures{memory: now.Sub(p.memory) < pressureLasts, disk: now.Sub(p.disk) < pressureLasts}
}

// freedom is how much is free.
type freedom struct {
	memory        int64
	nodes, images storage
}

// storage is how much of a file system is free, as parts of it. 1 where that is not to be known.
type storage struct{ bytes, inodes float64 }

// pressures compares with what must be free.
func (f freedom) pressures() pressures {
	return pressures{
		memory: f.memory < leastMemory,
		disk: f.nodes.bytes < leastNodeStorage || f.nodes.inodes < leastInodes ||
			f.images.bytes < leastImageStorage || f.images.inodes < leastInodes,
	}
}

// measure looks at what is free now.
func (n *Node) measure(ctx context.Context) (freedom, error) {
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return freedom{}, fmt.Errorf("free memory: %w", err)
	}
	memory := meminfo(string(text))
	// Upstream's definition: all but the working set, which leaves out files that nobody read lately.
	f := freedom{memory: memory["MemFree"] + memory["Inactive(file)"]}
	if f.nodes, err = measureStorage(n.cfg.RootDir); err != nil {
		return freedom{}, err
	}
	f.images = storage{bytes: 1, inodes: 1}
	info, err := n.cfg.Images.ImageFsInfo(ctx)
	if err != nil || len(info.GetImageFilesystems()) == 0 {
		return f, nil // a runtime that is away is reported as that
	}
	folder := info.GetImageFilesystems()[0].GetFsId().GetMountpoint()
	if images, err := measureStorage(folder); err == nil {
		f.images = images // a runtime may run where its folders cannot be seen
	}
	return f, nil
}

func measureStorage(folder string) (storage, error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(folder, &fs); err != nil {
		return storage{}, fmt.Errorf("free space of the file system of %s: %w", folder, err)
	}
	return storage{bytes: part(fs.Bavail, fs.Blocks), inodes: part(fs.Ffree, fs.Files)}, nil
}

// part is free/all; a file system that does not count (btrfs' inodes) has enough.
func part(free, all uint64) float64 {
	if all == 0 {
		return 1
	}
	return float64(free) / float64(all)
}
