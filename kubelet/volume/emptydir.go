package volume

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	resourcehelper "k8s.io/component-helpers/resource"
	"k8s.io/kubernetes/pkg/volume"
)

// Everybody in the pod may write into an emptyDir; with an fsGroup what is made
// in it belongs to that group (upstream: perm in pkg/volume/emptydir,
// changeFilePermission in pkg/volume). A tmpfs is as the kernel makes it: nobody
// removes what is another's.
const (
	emptyDirMode   = 0o777
	tmpfsMode      = emptyDirMode | unix.S_ISVTX
	tmpfsGroupMode = tmpfsMode | unix.S_ISGID
)

// emptyDir is a folder that lives as long as its pod: on disk, or a tmpfs.
type emptyDir struct {
	volume.MetricsNil
	m      *Manager
	path   string
	medium v1.StorageMedium
	size   int64 // bytes, of a tmpfs; 0: the kernel's default
}

func (h *host) newEmptyDir(pod *v1.Pod, name string, source *v1.EmptyDirVolumeSource) (*emptyDir, error) {
	e := &emptyDir{m: h.m, path: h.GetPodVolumeDir(pod.UID, "kubernetes.io~empty-dir", name), medium: source.Medium}
	if e.medium == v1.StorageMediumMemory {
		node, err := h.GetNodeAllocatable()
		if err != nil {
			return nil, err
		}
		e.size = tmpfsSize(node.Memory(), pod, source.SizeLimit)
	}
	return e, nil
}

// tmpfsSize is the least of what the node has for pods, what the pod's
// containers may use, and the volume's own limit (upstream:
// calculateEmptyDirMemorySize in pkg/volume/emptydir).
func tmpfsSize(node *resource.Quantity, pod *v1.Pod, limit *resource.Quantity) int64 {
	size := node.Value()
	bound := func(by int64) {
		if by > 0 && by <= size {
			size = by
		}
	}
	all := true
	limits := resourcehelper.PodLimits(pod, resourcehelper.PodResourcesOptions{
		ContainerFn: func(r v1.ResourceList, _ resourcehelper.ContainerType) { all = all && !r.Memory().IsZero() },
	})
	if all || resourcehelper.IsPodLevelResourcesSet(pod) && !pod.Spec.Resources.Limits.Memory().IsZero() {
		bound(limits.Memory().Value())
	}
	if limit != nil {
		bound(limit.Value())
	}
	return size
}

func (e *emptyDir) GetPath() string { return e.path }

func (e *emptyDir) GetAttributes() volume.Attributes {
	return volume.Attributes{Managed: true, SELinuxRelabel: true}
}

func (e *emptyDir) SetUp(args volume.MounterArgs) error { return e.SetUpAt(e.path, args) }

func (e *emptyDir) SetUpAt(dir string, args volume.MounterArgs) error {
	if err := os.MkdirAll(filepath.Dir(dir), podDirMode); err != nil {
		return err
	}
	if e.medium == v1.StorageMediumMemory {
		return e.m.makeTmpfs(dir, e.size, args.FsGroup)
	}
	return makeShared(dir, args.FsGroup)
}

// makeShared makes the folder under another name and renames it, so that one
// that exists is whole: it is never made or given away again, also not after a
// crash at any point.
func makeShared(dir string, group *int64) (err error) {
	if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	fresh, err := os.MkdirTemp(filepath.Dir(dir), ".new-")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(fresh))
		}
	}()
	mode := os.FileMode(emptyDirMode)
	if group != nil {
		if err := os.Chown(fresh, -1, int(*group)); err != nil {
			return err
		}
		mode |= os.ModeSetgid
	}
	if err := os.Chmod(fresh, mode); err != nil {
		return err
	}
	return os.Rename(fresh, dir)
}

// makeTmpfs mounts a tmpfs unless one is there. It keeps its contents out of
// the swap where the kernel can (Linux 6.4; KEP-2400).
func (m *Manager) makeTmpfs(dir string, size int64, group *int64) error {
	if err := os.Mkdir(dir, podDirMode); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	mounted, err := isMountPoint(dir)
	if err != nil || mounted {
		return err
	}
	options := fmt.Sprintf("mode=%o", tmpfsMode)
	if group != nil {
		options = fmt.Sprintf("mode=%o,gid=%d", tmpfsGroupMode, *group)
	}
	if size > 0 {
		options += fmt.Sprintf(",size=%d", size)
	}
	if !m.noNoswap.Load() {
		err := mountTmpfs(dir, options+",noswap")
		if !errors.Is(err, unix.EINVAL) {
			return err
		}
		m.noNoswap.Store(true)
	}
	return mountTmpfs(dir, options)
}

// emptyDirRemover takes away a volume that could not be filled.
type emptyDirRemover struct{ volume.MetricsNil }

func (*emptyDirRemover) GetPath() string { return "" }
func (*emptyDirRemover) TearDown() error { return errors.New("no folder named to take away") }

func (*emptyDirRemover) TearDownAt(dir string) error {
	if err := unmountBelow(dir); err != nil {
		return err
	}
	return os.RemoveAll(dir)
}
