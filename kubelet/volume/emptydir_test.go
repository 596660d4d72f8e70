package volume

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/kubernetes/pkg/volume"
	upstream "k8s.io/kubernetes/pkg/volume/emptydir"
	"k8s.io/mount-utils"
)

// The folder is made once, for everybody, and lives on across a restart.
func TestEmptyDirOnDisk(t *testing.T) {
	n := newNode(t)
	p := pod(t, "[{name: v, emptyDir: {}}]")
	path := n.mount(p)["v"]
	if want := filepath.Join(n.root, "pods", string(p.UID), "volumes/kubernetes.io~empty-dir/v"); path != want {
		t.Errorf("the volume is at %s, want %s", path, want)
	}
	if got := owner(t, path); got != "drwxrwxrwx 0" {
		t.Errorf("the volume is %s, want everybody's", got)
	}
	if got := owner(t, filepath.Join(n.root, "pods", string(p.UID))); got != "drwxr-x--- 0" {
		t.Errorf("the pod's folder is %s", got)
	}
	if err := os.WriteFile(filepath.Join(path, "data"), []byte("kept"), 0o600); err != nil {
		t.Fatal(err)
	}
	again, err := n.manager(n.root).Mount(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	if got := tree(t, again["v"].Path); got != "data 600 kept" {
		t.Errorf("after a restart the volume holds %q", got)
	}
}

func TestEmptyDirOfGroup(t *testing.T) {
	n := newNode(t)
	p := pod(t, "[{name: disk, emptyDir: {}}, {name: memory, emptyDir: {medium: Memory}}]")
	group := int64(2000)
	p.Spec.SecurityContext = &v1.PodSecurityContext{FSGroup: &group}
	paths := n.mount(p)
	for name, want := range map[string]string{"disk": "dgrwxrwxrwx 2000", "memory": "dgtrwxrwxrwx 2000"} {
		if got := owner(t, paths[name]); got != want {
			t.Errorf("volume %s is %s, want the group's: %s", name, got, want)
		}
	}
}

// A tmpfs is as large as said, mounted once, also by a manager after a restart.
func TestEmptyDirInMemory(t *testing.T) {
	n := newNode(t)
	p := pod(t, "[{name: v, emptyDir: {medium: Memory, sizeLimit: 1Mi}}]")
	path := n.mount(p)["v"]
	var fs unix.Statfs_t
	if err := unix.Statfs(path, &fs); err != nil {
		t.Fatal(err)
	}
	if fs.Type != unix.TMPFS_MAGIC || fs.Blocks*uint64(fs.Bsize) != 1<<20 {
		t.Errorf("the volume is of type %x and has %d bytes, want a tmpfs of 1 MiB", fs.Type, fs.Blocks*uint64(fs.Bsize))
	}
	if err := os.WriteFile(filepath.Join(path, "data"), []byte("kept"), 0o600); err != nil {
		t.Fatal(err)
	}
	restarted := n.manager(n.root)
	if _, err := restarted.Mount(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if got := tree(t, path); got != "data 600 kept" {
		t.Errorf("after a restart the volume holds %q", got)
	}
	if err := restarted.Unmount(t.Context(), p.UID); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(n.root, "pods", string(p.UID))); !os.IsNotExist(err) {
		t.Errorf("the pod's folder is still there: %v", err)
	}
}

// A kernel without noswap mounts without it.
func TestTmpfsWithoutNoswap(t *testing.T) {
	n := newNode(t)
	n.noNoswap.Store(true)
	path := n.mount(pod(t, "[{name: v, emptyDir: {medium: Memory}}]"))["v"]
	if mounted, err := isMountPoint(path); err != nil || !mounted {
		t.Errorf("mounted %v, %v", mounted, err)
	}
}

// upstreamHost is what upstream's emptyDir plugin asks.
type upstreamHost struct {
	volume.VolumeHost
	dir     string
	mounter *mount.FakeMounter
	node    v1.ResourceList
}

func (h *upstreamHost) GetMounter() mount.Interface { return h.mounter }
func (h *upstreamHost) GetPodVolumeDir(_ types.UID, _, name string) string {
	return filepath.Join(h.dir, name)
}
func (h *upstreamHost) GetPodPluginDir(_ types.UID, name string) string {
	return filepath.Join(h.dir, "plugin", name)
}
func (h *upstreamHost) GetPluginDir(name string) string              { return h.dir }
func (h *upstreamHost) GetNodeAllocatable() (v1.ResourceList, error) { return h.node, nil }

// TestTmpfsSizeAsUpstream compares the size of a tmpfs with the one that
// upstream's plugin mounts, for random pods.
func TestTmpfsSizeAsUpstream(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	quantity := func(zeroes int) *resource.Quantity {
		if random.IntN(4) < zeroes {
			return nil
		}
		return resource.NewQuantity(random.Int64N(4000), resource.BinarySI)
	}
	container := func() v1.Container {
		c := v1.Container{}
		if q := quantity(1); q != nil {
			c.Resources.Limits = v1.ResourceList{v1.ResourceMemory: *q}
		}
		return c
	}
	dir := t.TempDir()
	differ := 0
	for i := range 500 {
		host := &upstreamHost{dir: filepath.Join(dir, fmt.Sprint(i)), mounter: mount.NewFakeMounter(nil),
			node: v1.ResourceList{v1.ResourceMemory: *resource.NewQuantity(random.Int64N(5000), resource.BinarySI)}}
		p := &v1.Pod{}
		for range 1 + random.IntN(2) {
			p.Spec.Containers = append(p.Spec.Containers, container())
		}
		for range random.IntN(2) {
			c := container()
			if always := v1.ContainerRestartPolicyAlways; random.IntN(2) == 0 {
				c.RestartPolicy = &always
			}
			p.Spec.InitContainers = append(p.Spec.InitContainers, c)
		}
		if random.IntN(4) == 0 {
			if q := quantity(1); q != nil {
				p.Spec.Resources = &v1.ResourceRequirements{Limits: v1.ResourceList{v1.ResourceMemory: *q}}
			}
		}
		source := &v1.EmptyDirVolumeSource{Medium: v1.StorageMediumMemory, SizeLimit: quantity(2)}
		plugin := upstream.ProbeVolumePlugins()[0]
		if err := plugin.Init(host); err != nil {
			t.Fatal(err)
		}
		m, err := plugin.NewMounter(volume.NewSpecFromVolume(&v1.Volume{Name: "v", VolumeSource: v1.VolumeSource{EmptyDir: source}}), p)
		if err != nil {
			t.Fatal(err)
		}
		if err := m.SetUp(volume.MounterArgs{}); err != nil {
			t.Fatal(err)
		}
		want := "size=0"
		for _, o := range host.mounter.MountPoints[0].Opts {
			if strings.HasPrefix(o, "size=") {
				want = o
			}
		}
		got := fmt.Sprintf("size=%d", tmpfsSize(host.node.Memory(), p, source.SizeLimit))
		if got != want {
			t.Errorf("case %d: %s, upstream %s: %+v, limit %v, node %v", i, got, want, p.Spec, source.SizeLimit, host.node.Memory())
			if differ++; differ == 5 {
				t.FailNow()
			}
		}
	}
}

// owner is a folder's mode and group.
func owner(t *testing.T, path string) string {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	var s unix.Stat_t
	if err := unix.Stat(path, &s); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%v %d", info.Mode(), s.Gid)
}
