package volume

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
	"k8s.io/mount-utils"
)

// mounter binds and unmounts by system call, where upstream's runs a program
// each time: that is several milliseconds of a pod's start.
type mounter struct{ mount.Interface }

// MountSensitiveWithoutSystemdWithMountFlags is how upstream's subpath binds.
func (m mounter) MountSensitiveWithoutSystemdWithMountFlags(source, target, fstype string, options, sensitive, flags []string) error {
	if !slices.Equal(options, []string{"bind"}) {
		return m.Interface.MountSensitiveWithoutSystemdWithMountFlags(source, target, fstype, options, sensitive, flags)
	}
	if err := unix.Mount(source, target, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("binding %s to %s: %w", source, target, err)
	}
	return nil
}

// Unmount takes away the uppermost mount at a path.
func (m mounter) Unmount(target string) error {
	if err := unix.Unmount(target, unix.UMOUNT_NOFOLLOW); err != nil {
		return fmt.Errorf("unmounting %s: %w", target, err)
	}
	return nil
}

func mountTmpfs(dir, options string) error {
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, options); err != nil {
		return fmt.Errorf("mounting a tmpfs at %s (%s): %w", dir, options, err)
	}
	return nil
}

// isMountPoint tells a mounted filesystem from a folder of its parent's. It does
// not see a bind mount from the same filesystem.
func isMountPoint(dir string) (bool, error) {
	var here, parent unix.Stat_t
	if err := unix.Lstat(dir, &here); err != nil {
		return false, fmt.Errorf("looking at %s: %w", dir, err)
	}
	if err := unix.Lstat(filepath.Dir(dir), &parent); err != nil {
		return false, fmt.Errorf("looking at %s: %w", filepath.Dir(dir), err)
	}
	return here.Dev != parent.Dev, nil
}

// unmountBelow unmounts whatever is mounted at or below dir, the innermost
// first. Without an error nothing is, so that removing dir touches nothing else.
func unmountBelow(dir string) error {
	resolved, err := filepath.EvalSymlinks(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	// A mount can lie over another one: look again until there is none.
	for {
		found, err := mountinfo.GetMounts(mountinfo.PrefixFilter(resolved))
		if err != nil {
			return fmt.Errorf("listing the mounts below %s: %w", resolved, err)
		}
		if len(found) == 0 {
			return nil
		}
		slices.SortFunc(found, func(a, b *mountinfo.Info) int { return len(b.Mountpoint) - len(a.Mountpoint) })
		for _, f := range found {
			if err := unix.Unmount(f.Mountpoint, unix.UMOUNT_NOFOLLOW); err != nil {
				return fmt.Errorf("unmounting %s: %w", f.Mountpoint, err)
			}
		}
	}
}
