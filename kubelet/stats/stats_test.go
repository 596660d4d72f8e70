package stats

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	internalapi "k8s.io/cri-api/pkg/apis"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// runtime answers as a container runtime does; what it does not answer is not asked.
type runtime struct{ internalapi.RuntimeService }

// images answers as a runtime does that keeps its images in a folder.
type images struct {
	internalapi.ImageManagerService
	folder string
}

func (r runtime) ListContainerStats(_ context.Context, f *runtimeapi.ContainerStatsFilter) ([]*runtimeapi.ContainerStats, error) {
	if f.LabelSelector["uid"] != "u" {
		return nil, nil
	}
	return []*runtimeapi.ContainerStats{{
		Attributes:    &runtimeapi.ContainerAttributes{Metadata: &runtimeapi.ContainerMetadata{Name: "main"}},
		WritableLayer: &runtimeapi.FilesystemUsage{UsedBytes: &runtimeapi.UInt64Value{Value: 1 << 20}, InodesUsed: &runtimeapi.UInt64Value{Value: 3}},
		Memory:        &runtimeapi.MemoryUsage{WorkingSetBytes: &runtimeapi.UInt64Value{Value: 77}},
	}}, nil
}

func (i images) ImageFsInfo(context.Context) (*runtimeapi.ImageFsInfoResponse, error) {
	return &runtimeapi.ImageFsInfoResponse{ImageFilesystems: []*runtimeapi.FilesystemUsage{{FsId: &runtimeapi.FilesystemIdentifier{Mountpoint: i.folder}}}}, nil
}

// What a pod uses is what its containers wrote, their logs, its local volumes and its hosts file.
func TestPods(t *testing.T) {
	dir := t.TempDir()
	for name, size := range map[string]int{"logs/main/0.log": 8192, "logs/main/deeper/not-a-log": 4096, "hosts": 4096, "scratch/a/b": 65536, "memory/c": 4096} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	folder := func(name string) uint64 {
		u, err := walk(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return u.bytes
	}
	pod := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p", Namespace: "ns", UID: "u"}, Spec: v1.PodSpec{Volumes: []v1.Volume{
		{Name: "scratch", VolumeSource: v1.VolumeSource{EmptyDir: &v1.EmptyDirVolumeSource{}}},
		{Name: "memory", VolumeSource: v1.VolumeSource{EmptyDir: &v1.EmptyDirVolumeSource{Medium: v1.StorageMediumMemory}}},
		{Name: "unmounted", VolumeSource: v1.VolumeSource{EmptyDir: &v1.EmptyDirVolumeSource{}}},
	}}}
	broken := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "broken", Namespace: "ns", UID: "broken"}}
	places := Places{
		Runtime: runtime{}, PodUID: "uid",
		Logs:  func(*v1.Pod) string { return filepath.Join(dir, "logs") },
		Hosts: func(*v1.Pod) string { return filepath.Join(dir, "hosts") },
		Volumes: func(uid types.UID) (map[string]string, error) {
			if uid == "broken" {
				return nil, fs.ErrPermission
			}
			return map[string]string{"scratch": filepath.Join(dir, "scratch"), "memory": filepath.Join(dir, "memory")}, nil
		},
		Memory:    func(types.UID) (uint64, error) { return 55, nil },
		Processes: func(types.UID) (uint64, error) { return 0, fs.ErrNotExist },
	}
	used, err := places.Pods(t.Context(), []*v1.Pod{pod, broken})
	if err == nil {
		t.Error("a pod that cannot be measured is no error")
	}
	if _, known := used["broken"]; known || len(used) != 1 {
		t.Fatalf("measured: %v", used)
	}
	s := used["u"]
	if c := s.Containers[0]; *c.Rootfs.UsedBytes != 1<<20 || *c.Logs.UsedBytes != 8192 || *c.Memory.WorkingSetBytes != 77 {
		t.Errorf("the container uses %d, logs %d, memory %d", *c.Rootfs.UsedBytes, *c.Logs.UsedBytes, *c.Memory.WorkingSetBytes)
	}
	if *s.Memory.WorkingSetBytes != 55 || s.ProcessStats != nil {
		t.Errorf("the pod's memory %d, processes %v", *s.Memory.WorkingSetBytes, s.ProcessStats)
	}
	if len(s.VolumeStats) != 2 || *s.VolumeStats[0].UsedBytes != folder("scratch") || *s.VolumeStats[0].UsedBytes < 65536 {
		t.Errorf("volumes: %v", s.VolumeStats)
	}
	// A volume in memory is no local storage.
	if want := uint64(1<<20+8192+4096) + folder("scratch"); *s.EphemeralStorage.UsedBytes != want {
		t.Errorf("the pod uses %d bytes of local storage, want %d", *s.EphemeralStorage.UsedBytes, want)
	}
}

// The machine has what it has; images on another file system are noticed.
func TestMachine(t *testing.T) {
	dir := t.TempDir()
	for folder, apart := range map[string]bool{dir: false, "/proc": true} {
		m, err := NewMeter(images{folder: folder}, dir).Machine(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if m.ImagesApart != apart {
			t.Errorf("images in %s: apart is %v", folder, m.ImagesApart)
		}
		switch {
		case *m.Memory.AvailableBytes == 0 || *m.Memory.WorkingSetBytes == 0:
			t.Errorf("memory: %+v", m.Memory)
		case *m.Fs.AvailableBytes > *m.Fs.CapacityBytes || *m.Fs.CapacityBytes == 0:
			t.Errorf("file system: %+v", m.Fs)
		case *m.Rlimit.MaxPID <= *m.Rlimit.NumOfRunningProcesses:
			t.Errorf("processes: %+v", m.Rlimit)
		}
	}
	m, err := NewMeter(images{folder: filepath.Join(dir, "elsewhere")}, dir).Machine(t.Context())
	if err != nil || m.Images != nil {
		t.Errorf("images that cannot be seen: %v, %v", m.Images, err)
	}
}

func TestMemory(t *testing.T) {
	m := memory("MemTotal: 100 kB\nMemFree: 20 kB\nInactive(file): 30 kB\nHugePages_Total: 0\n", metav1.Time{})
	if *m.AvailableBytes != 50<<10 || *m.WorkingSetBytes != 50<<10 || *m.UsageBytes != 80<<10 {
		t.Errorf("%d available, %d working set, %d used", *m.AvailableBytes, *m.WorkingSetBytes, *m.UsageBytes)
	}
}

func TestSpentCPU(t *testing.T) {
	const line = "cpu  100 20 3 5000 700 40 5 6 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n"
	spent, err := spentCPU(line) // all but idle and iowait, in hundredths of a second
	if want := uint64(174 * 10_000_000); err != nil || spent != want {
		t.Errorf("%d, %v; want %d", spent, err, want)
	}
	for _, text := range []string{"", "cpu0 1 2 3 4 5 6 7 8", "cpu 1 2 3 4 5 6 7 x"} {
		if _, err := spentCPU(text); err == nil {
			t.Errorf("%q is no error", text)
		}
	}
}
