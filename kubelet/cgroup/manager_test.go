package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/opencontainers/cgroups"
	"golang.org/x/sys/unix"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// inUnified tells the test's own process that cgroup v2 is all that is mounted for it.
const inUnified = "PODLING_TEST_CGROUP_V2"

// TestMain lets TestUnified run this binary where cgroup v2 is mounted alone.
func TestMain(m *testing.M) {
	if os.Getenv(inUnified) != "" {
		if err := unix.Mount("cgroup2", unifiedRoot, "cgroup2", 0, ""); err != nil {
			fmt.Fprintln(os.Stderr, "mount cgroup v2:", err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// TestUnified runs the tests of the Manager once more where there is nothing but cgroup v2. Where the
// machine uses v1, v2 has few controllers left or none: limits are dropped then, and the groups are
// there all the same.
func TestUnified(t *testing.T) {
	if os.Getenv(inUnified) != "" {
		return
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	again := exec.CommandContext(t.Context(), self, "-test.run=^TestManager", "-test.v")
	again.Env = append(os.Environ(), inUnified+"=1")
	again.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	output, err := again.CombinedOutput()
	if err != nil {
		t.Errorf("on cgroup v2: %v\n%s", err, output)
	}
	if n := strings.Count(string(output), "--- PASS: TestManager"); n < 4 {
		t.Errorf("on cgroup v2 only %d tests passed:\n%s", n, output)
	}
}

func newManager(t *testing.T) *Manager {
	t.Helper()
	m, err := New("/podling-test-" + strconv.Itoa(os.Getpid()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.RemoveAll(); err != nil {
			t.Error(err)
		}
		m.gone(t, m.root)
	})
	return m
}

func TestManagerGroups(t *testing.T) {
	m := newManager(t)
	for _, test := range []struct {
		pod  *v1.Pod
		want string
	}{
		{pod("a", nil, nil), "/kubepods/besteffort/poda"},
		{pod("b", list("cpu", "500m"), nil), "/kubepods/burstable/podb"},
		{pod("c", list("cpu", "1", "memory", "1Gi"), list("cpu", "1", "memory", "1Gi")), "/kubepods/podc"},
	} {
		parent, err := m.Ensure(test.pod)
		if err != nil {
			t.Fatal(err)
		}
		if parent != m.root+test.want {
			t.Errorf("pod %s: %s, want ROOT%s", test.pod.UID, parent, test.want)
		}
		m.there(t, parent)
		if again, err := m.Ensure(test.pod); err != nil || again != parent {
			t.Errorf("pod %s once more: %s, %v", test.pod.UID, again, err)
		}
		if err := m.Remove(test.pod.UID); err != nil {
			t.Fatal(err)
		}
		m.gone(t, parent)
		if err := m.Remove(test.pod.UID); err != nil {
			t.Errorf("pod %s removed twice: %v", test.pod.UID, err)
		}
	}
}

func TestManagerLimits(t *testing.T) {
	m := newManager(t)
	ensure := func(p *v1.Pod) string {
		t.Helper()
		parent, err := m.Ensure(p)
		if err != nil {
			t.Fatal(err)
		}
		return parent
	}
	guaranteed := list("cpu", "500m", "memory", "64Mi")
	g := ensure(pod("g", guaranteed, guaranteed))
	m.has(t, g, "cpu", "cpu.shares", "512", "cpu.weight", "20")
	m.has(t, g, "cpu", "cpu.cfs_quota_us", "50000", "cpu.max", "50000 100000")
	m.has(t, g, "memory", "memory.limit_in_bytes", "67108864", "memory.max", "67108864")

	b := ensure(pod("b", list("cpu", "250m"), nil))
	m.has(t, b, "cpu", "cpu.cfs_quota_us", "-1", "cpu.max", "max 100000")
	burstable := m.class(v1.PodQOSBurstable)
	m.has(t, burstable, "cpu", "cpu.shares", "256", "cpu.weight", "10")
	ensure(pod("b2", list("cpu", "750m"), nil))
	m.has(t, burstable, "cpu", "cpu.shares", "1024", "cpu.weight", "39")
	m.has(t, m.class(v1.PodQOSBestEffort), "cpu", "cpu.shares", "2", "cpu.weight", "1")

	// A pod that is resized: its group is given the new limits, or loses those it had.
	ensure(pod("b", list("cpu", "500m"), list("cpu", "1", "memory", "128Mi")))
	m.has(t, b, "cpu", "cpu.cfs_quota_us", "100000", "cpu.max", "100000 100000")
	m.has(t, b, "memory", "memory.limit_in_bytes", "134217728", "memory.max", "134217728")
	m.has(t, burstable, "cpu", "cpu.shares", "1280", "cpu.weight", "49")
	ensure(pod("b", list("cpu", "500m"), nil))
	m.has(t, b, "cpu", "cpu.cfs_quota_us", "-1", "cpu.max", "max 100000")

	// All of them, and without bounds again.
	all := m.class(v1.PodQOSGuaranteed)
	for _, bound := range []struct {
		milliCPU, memory int64
		shares, weight   string
		v1, v2           string
	}{{1500, 1 << 30, "1536", "59", "1073741824", "1073741824"}, {0, 0, "1024", "100", "9223372036854771712", "max"}} {
		if err := m.Bound(bound.milliCPU, bound.memory); err != nil {
			t.Fatal(err)
		}
		m.has(t, m.root, "cpu", "cpu.shares", bound.shares, "cpu.weight", bound.weight)
		m.has(t, all, "memory", "memory.limit_in_bytes", bound.v1, "memory.max", bound.v2)
	}

	if err := m.Remove("b2"); err != nil {
		t.Fatal(err)
	}
	m.has(t, burstable, "cpu", "cpu.shares", "512", "cpu.weight", "20")
}

// A second process on the same root finds what the first one left.
func TestManagerRestart(t *testing.T) {
	m := newManager(t)
	for _, p := range []*v1.Pod{pod("kept", list("cpu", "1"), nil), pod("orphan", nil, nil)} {
		if _, err := m.Ensure(p); err != nil {
			t.Fatal(err)
		}
	}
	next, err := New(m.root)
	if err != nil {
		t.Fatal(err)
	}
	if got := next.Orphans(func(uid types.UID) bool { return uid == "kept" }); !slices.Equal(got, []types.UID{"orphan"}) {
		t.Errorf("orphans: %v", got)
	}
	// The pod from before counts, though nobody has asked for it again yet.
	if _, err := next.Ensure(pod("new", list("cpu", "500m"), nil)); err != nil {
		t.Fatal(err)
	}
	next.has(t, next.class(v1.PodQOSBurstable), "cpu", "cpu.shares", "1536", "cpu.weight", "59")
	if err := next.Remove("orphan"); err != nil {
		t.Fatal(err)
	}
	next.gone(t, next.class(v1.PodQOSBestEffort)+"/podorphan")
}

// Processes that were left in a group end with it.
func TestManagerRemoveKills(t *testing.T) {
	m := newManager(t)
	parent, err := m.Ensure(pod("p", nil, nil))
	if err != nil {
		t.Fatal(err)
	}
	process := exec.CommandContext(t.Context(), "sleep", "1000")
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	for _, folder := range m.hierarchies.paths(parent + "/container") {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(folder, "/cpuset/") { // takes nobody in before it has processors
			continue
		}
		if err := cgroups.WriteCgroupProc(folder, process.Process.Pid); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Remove("p"); err != nil {
		t.Error(err)
	}
	if err := process.Wait(); err == nil || process.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Errorf("the process ended with %v", process.ProcessState)
	}
	m.gone(t, parent)
}

func TestNewRefuses(t *testing.T) {
	for _, root := range []string{"", "/", "relative", "/a/../..", "/a/"} {
		if _, err := New(root); err == nil || !strings.Contains(err.Error(), strconv.Quote(root)) {
			t.Errorf("root %q: %v", root, err)
		}
	}
}

// there fails unless the group has a folder wherever it can be limited.
func (m *Manager) there(t *testing.T, group string) {
	t.Helper()
	for _, folder := range m.hierarchies.limiting(group) {
		if _, err := os.Stat(folder); err != nil {
			t.Error(err)
		}
	}
}

// gone fails if the group has a folder left.
func (m *Manager) gone(t *testing.T, group string) {
	t.Helper()
	for _, folder := range m.hierarchies.paths(group) {
		if _, err := os.Stat(folder); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is still there (%v)", folder, err)
		}
	}
}

// has fails unless the group's file says that; a machine without the controller has no such file.
func (m *Manager) has(t *testing.T, group, controller, file, want, unifiedFile, unifiedWant string) {
	t.Helper()
	folder := filepath.Join(m.hierarchies.mounts[controller], group)
	if m.hierarchies.unified {
		file, want, folder = unifiedFile, unifiedWant, filepath.Join(unifiedRoot, group)
	}
	data, err := os.ReadFile(filepath.Join(folder, file))
	if errors.Is(err, fs.ErrNotExist) && slices.Contains(m.Missing(), controller) {
		return
	}
	if err != nil {
		t.Error(err)
	} else if got := strings.TrimSpace(string(data)); got != want {
		t.Errorf("%s of %s: %s, want %s", file, group, got, want)
	}
}

func pod(uid types.UID, requests, limits v1.ResourceList) *v1.Pod {
	p := &v1.Pod{Spec: v1.PodSpec{Containers: []v1.Container{{
		Name: "c", Resources: v1.ResourceRequirements{Requests: requests, Limits: limits},
	}}}}
	p.UID = uid
	return p
}

// A pod's group made and removed: part of what each pod's start and end take.
func BenchmarkManager(b *testing.B) {
	m, err := New("/podling-bench-" + strconv.Itoa(os.Getpid()))
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := m.RemoveAll(); err != nil {
			b.Error(err)
		}
	}()
	for i := 0; b.Loop(); i++ {
		p := pod(types.UID(strconv.Itoa(i)), list("cpu", "100m"), nil)
		if _, err := m.Ensure(p); err != nil {
			b.Fatal(err)
		}
		if err := m.Remove(p.UID); err != nil {
			b.Fatal(err)
		}
	}
}
