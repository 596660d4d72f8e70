package node

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// write makes a folder with these files.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

var machineFiles = map[string]string{
	"etc/machine-id":                                           "0123\n",
	"sys/class/dmi/id/product_uuid":                            "4567\n",
	"proc/sys/kernel/random/boot_id":                           "89ab\n",
	"usr/lib/os-release":                                       "NAME=x\nPRETTY_NAME=\"Some Linux 12\"\n",
	"sys/devices/system/cpu/online":                            "0-2,5\n",
	"proc/meminfo":                                             "MemTotal:        4194304 kB\nMemFree: 1 kB\nSwapTotal:  1024 kB\nHugePages_Total:  3\n",
	"sys/kernel/mm/hugepages/other/nr":                         "1",
	"sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages":    "16\n",
	"sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages": "0\n",
}

func TestInspect(t *testing.T) {
	m, err := inspect(write(t, machineFiles), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if m.machineID != "0123" || m.systemUUID != "4567" || m.bootID != "89ab" || m.os != "Some Linux 12" || m.kernel == "" {
		t.Errorf("%+v", m)
	}
	if m.cpus != 4 || m.memory != 4<<30 || m.swap != 1<<20 || m.storage <= 0 {
		t.Errorf("%+v", m)
	}
	if want := map[int64]int64{2 << 20: 32 << 20, 1 << 30: 0}; !maps.Equal(m.hugePages, want) {
		t.Errorf("huge pages: %v, want %v", m.hugePages, want)
	}
	if swap := m.info("", "").Swap; swap == nil || *swap.Capacity != 1<<20 {
		t.Errorf("swap: %v", swap)
	}
}

// A machine whose size is not known must not become a node without any.
func TestInspectRefuses(t *testing.T) {
	for _, test := range []struct{ file, content, want string }{
		{"sys/devices/system/cpu/online", "", "0 processors"},
		{"sys/devices/system/cpu/online", "many", "processors"},
		{"proc/meminfo", "", "0 bytes of memory"},
		{"sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "few", "hugepages-2048kB"},
	} {
		files := maps.Clone(machineFiles)
		files[test.file] = test.content
		if _, err := inspect(write(t, files), t.TempDir()); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s %q: %v", test.file, test.content, err)
		}
	}
	if _, err := inspect("/", "/no/such/folder"); err == nil || !strings.Contains(err.Error(), "/no/such/folder") {
		t.Errorf("no folder for pods: %v", err)
	}
}

func TestAllocatable(t *testing.T) {
	m := machine{cpus: 2, memory: 4 << 30, storage: 1000, hugePages: map[int64]int64{2 << 20: 32 << 20}}
	reserved := v1.ResourceList{v1.ResourceCPU: resource.MustParse("500m"), v1.ResourceMemory: resource.MustParse("100Mi"), v1.ResourceEphemeralStorage: resource.MustParse("100")}
	for name, want := range map[v1.ResourceName][2]string{
		"cpu":               {"2", "1500m"},
		"memory":            {"4Gi", "3964Mi"}, // 100Mi to stay free, 32Mi of huge pages
		"ephemeral-storage": {"1000", "900"},
		"pods":              {"110", "110"},
		"hugepages-2Mi":     {"32Mi", "32Mi"},
	} {
		capacity, allocatable := m.capacity(110)[name], m.allocatable(110, reserved)[name]
		if capacity.Cmp(resource.MustParse(want[0])) != 0 || allocatable.Cmp(resource.MustParse(want[1])) != 0 {
			t.Errorf("%s: %s, of it %s, want %v", name, capacity.String(), allocatable.String(), want)
		}
	}
	if memory := (machine{memory: 1 << 20}).allocatable(1, reserved)[v1.ResourceMemory]; !memory.IsZero() {
		t.Errorf("a machine with less memory than must stay free allows %s", memory.String())
	}
}
