package containerd

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	busybox "github.com/podling/podling/conformance/images"
	"github.com/podling/podling/runtime/cri"
	"github.com/podling/podling/runtime/suite"
)

// A machine is a daemon under test and a connection to it. These tests need
// root, containerd's programs on PATH and a static busybox, and fail without.
type machine struct {
	*testing.T
	cfg    Config
	daemon *Daemon
	cri    *cri.Runtime
}

func newMachine(t *testing.T) *machine {
	t.Helper()
	m := &machine{T: t, cfg: Config{Dir: filepath.Join(t.TempDir(), "ctr"), Images: []string{busyboxArchive(t)}}}
	m.start()
	t.Cleanup(func() {
		if m.daemon == nil {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := m.daemon.RemoveAll(ctx); err != nil {
			t.Error(err)
		}
	})
	return m
}

func (m *machine) start() {
	m.Helper()
	var err error
	if m.daemon, err = Start(m.Context(), m.cfg); err != nil {
		m.Fatal(err)
	}
	if m.cri, err = cri.Connect(m.Context(), m.daemon.Endpoint()); err != nil {
		m.Fatal(err)
	}
}

func (m *machine) stop() {
	m.Helper()
	if err := m.cri.Close(m.Context()); err != nil {
		m.Error(err)
	}
	if err := m.daemon.Stop(m.Context()); err != nil {
		m.Fatal(err)
	}
}

// run starts a pod with one container and returns both ids.
func (m *machine) run(podName string, pod *runtimeapi.LinuxPodSandboxConfig, container *runtimeapi.LinuxContainerConfig, command ...string) (string, string) {
	m.Helper()
	podID, id := m.create(podName, pod, container, command...)
	if err := m.cri.StartContainer(m.Context(), id); err != nil {
		m.Fatal(err)
	}
	return podID, id
}

// create is run without the container's start.
func (m *machine) create(podName string, pod *runtimeapi.LinuxPodSandboxConfig, container *runtimeapi.LinuxContainerConfig, command ...string) (string, string) {
	m.Helper()
	sandbox := &runtimeapi.PodSandboxConfig{
		Metadata: &runtimeapi.PodSandboxMetadata{Name: podName, Namespace: "test", Uid: podName},
		Linux:    pod,
	}
	podID, err := m.cri.RunPodSandbox(m.Context(), sandbox, "")
	if err != nil {
		m.Fatal(err)
	}
	image := &runtimeapi.ImageSpec{Image: "docker.io/library/busybox:1.36"}
	if _, err := m.cri.PullImage(m.Context(), image, nil, sandbox); err != nil {
		m.Fatal(err)
	}
	id, err := m.cri.CreateContainer(m.Context(), podID, &runtimeapi.ContainerConfig{
		Metadata: &runtimeapi.ContainerMetadata{Name: "main"},
		Image:    image,
		Command:  command,
		Linux:    container,
	}, sandbox)
	if err != nil {
		m.Fatal(err)
	}
	return podID, id
}

// sh runs a shell line in a container.
func (m *machine) sh(container, line string) string {
	m.Helper()
	out, errOut, err := m.cri.ExecSync(m.Context(), container, []string{"sh", "-c", line}, 10*time.Second)
	if err != nil {
		m.Fatalf("%s: %v: %s", line, err, errOut)
	}
	return strings.TrimSpace(string(out))
}

func (m *machine) wantRunning(container string) {
	m.Helper()
	s, err := m.cri.ContainerStatus(m.Context(), container, false)
	if err != nil {
		m.Fatal(err)
	}
	if got := s.GetStatus().GetState(); got != runtimeapi.ContainerState_CONTAINER_RUNNING {
		m.Fatalf("container %s is %v", container, got)
	}
}

// containerd is the process id of the daemon's containerd.
func (m *machine) containerd(d *Daemon) int {
	m.Helper()
	pids, err := processesWith("--config", d.files.config())
	if err != nil {
		m.Fatal(err)
	}
	if len(pids) != 1 {
		m.Fatalf("containerd's processes: %v, want one", pids)
	}
	return pids[0]
}

// within waits for a condition, and fails when it has not come by then.
func (m *machine) within(limit time.Duration, what string, holds func() error) time.Duration {
	m.Helper()
	began := time.Now()
	for {
		err := holds()
		if err == nil {
			return time.Since(began)
		}
		if time.Since(began) > limit {
			m.Fatalf("%s: not within %v: %v", what, limit, err)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func busyboxArchive(t *testing.T) string {
	t.Helper()
	program, err := busybox.Busybox()
	if err != nil {
		t.Fatal(err)
	}
	made, err := busybox.Scenarios(program)
	if err != nil {
		t.Fatal(err)
	}
	named := map[name.Tag]v1.Image{}
	for image, content := range made {
		tag, err := name.NewTag(image)
		if err != nil {
			t.Fatal(err)
		}
		named[tag] = content
	}
	archive := filepath.Join(t.TempDir(), "busybox.tar")
	if err := tarball.MultiWriteToFile(archive, named); err != nil {
		t.Fatal(err)
	}
	return archive
}

// A pod runs with an address, a way to itself, and the runtime's seccomp
// profile in force.
func TestRunsContainers(t *testing.T) {
	m := newMachine(t)
	podID, id := m.run("p", nil, &runtimeapi.LinuxContainerConfig{SecurityContext: &runtimeapi.LinuxContainerSecurityContext{
		NamespaceOptions: &runtimeapi.NamespaceOption{Pid: runtimeapi.NamespaceMode_CONTAINER},
		Seccomp:          &runtimeapi.SecurityProfile{ProfileType: runtimeapi.SecurityProfile_RuntimeDefault},
	}}, "sleep", "3600")
	if got := m.sh(id, "grep Seccomp: /proc/1/status"); got != "Seccomp:\t2" {
		t.Errorf("in a container with the RuntimeDefault profile: %q, want mode 2, filtering", got)
	}
	s, err := m.cri.PodSandboxStatus(t.Context(), podID, false)
	if err != nil {
		t.Fatal(err)
	}
	if ip := s.GetStatus().GetNetwork().GetIp(); !strings.Contains(m.sh(id, "ip addr show eth0"), "inet "+ip+"/") {
		t.Errorf("the runtime says the pod's address is %q, the pod does not have it", ip)
	}
	if got := m.sh(id, "ip addr show lo"); !strings.Contains(got, "127.0.0.1/8") {
		t.Errorf("loopback in the pod: %s", got)
	}
	if got := m.sh(id, "ping -c 1 -W 2 "+m.gateway()); !strings.Contains(got, "1 packets received") {
		t.Errorf("the pod does not reach the machine: %s", got)
	}
}

func (m *machine) gateway() string { return m.daemon.network.subnet.Addr().Next().String() }

// In a pod with shareProcessNamespace the pause program is the first process:
// it must reap the orphans.
func TestPauseReaps(t *testing.T) {
	m := newMachine(t)
	shared := &runtimeapi.NamespaceOption{Pid: runtimeapi.NamespaceMode_POD}
	_, id := m.run("p",
		&runtimeapi.LinuxPodSandboxConfig{SecurityContext: &runtimeapi.LinuxSandboxSecurityContext{NamespaceOptions: shared}},
		&runtimeapi.LinuxContainerConfig{SecurityContext: &runtimeapi.LinuxContainerSecurityContext{NamespaceOptions: shared}},
		"sleep", "3600")
	if got := m.sh(id, "cat /proc/1/cmdline"); strings.Trim(got, "\x00") != "/pause" {
		t.Fatalf("the pod's first process is %q, want /pause", got)
	}
	// The shell in the middle ends, and its child, an orphan, ends after it.
	orphan := m.sh(id, "sh -c 'sleep 0.2 >/dev/null 2>&1 & echo $!'")
	m.within(5*time.Second, "the orphan is reaped", func() error {
		if state := m.sh(id, "grep State: /proc/"+orphan+"/status 2>/dev/null || echo gone"); state != "gone" {
			return fmt.Errorf("process %s: %s", orphan, state)
		}
		return nil
	})
}

// containerd killed: back within two seconds, its containers untouched.
func TestComesBackWhenKilled(t *testing.T) {
	m := newMachine(t)
	_, id := m.run("p", nil, nil, "sleep", "3600")
	for range 2 { // the second time too: soon after a start
		before := m.containerd(m.daemon)
		if err := syscall.Kill(before, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		took := m.within(2*time.Second, "containerd answers again", func() error {
			fresh, err := cri.Connect(t.Context(), m.daemon.Endpoint())
			if err != nil {
				return err
			}
			defer fresh.Close(t.Context())
			s, err := fresh.Status(t.Context(), false)
			if err != nil {
				return err
			}
			for _, c := range s.GetStatus().GetConditions() {
				if !c.Status && (c.Type == runtimeapi.RuntimeReady || c.Type == runtimeapi.NetworkReady) {
					return fmt.Errorf("%s: %s", c.Type, c.Message)
				}
			}
			return nil
		})
		t.Logf("back after %v", took)
		if m.containerd(m.daemon) == before {
			t.Fatal("the killed containerd answers")
		}
		m.wantRunning(id)
	}
	if got := m.sh(id, "echo still here"); got != "still here" {
		t.Errorf("exec after the restart: %q", got)
	}
}

// Stop leaves containers running, and Start finds them again.
func TestStopLeavesContainers(t *testing.T) {
	m := newMachine(t)
	_, id := m.run("p", nil, nil, "sleep", "3600")
	s, err := m.cri.ContainerStatus(t.Context(), id, true)
	if err != nil {
		t.Fatal(err)
	}
	subnet := m.daemon.network.subnet
	m.stop()
	if pids, err := processesWith("-address", m.daemon.files.socket()); err != nil || len(pids) == 0 {
		t.Fatalf("shims after Stop: %v %v, want them to go on", pids, err)
	}
	m.start()
	m.wantRunning(id)
	again, err := m.cri.ContainerStatus(t.Context(), id, true)
	if err != nil {
		t.Fatal(err)
	}
	if was, is := s.GetStatus().GetStartedAt(), again.GetStatus().GetStartedAt(); was != is {
		t.Errorf("started at %d, and after the restart at %d", was, is)
	}
	if m.daemon.network.subnet != subnet {
		t.Errorf("subnet %v became %v", subnet, m.daemon.network.subnet)
	}
	// The registry has another port now: a pull must find it.
	if _, err := m.cri.PullImage(t.Context(), &runtimeapi.ImageSpec{Image: "docker.io/library/nocmd:1"}, nil, nil); err != nil {
		t.Error(err)
	}
	m.run("q", nil, nil, "sleep", "3600")
}

// A podling that is killed leaves its containerd behind. The next one goes on with it, and minds it.
func TestTakesOverFromKilledPodling(t *testing.T) {
	m := newMachine(t)
	_, id := m.run("p", nil, nil, "sleep", "3600")
	orphan := m.orphan()
	m.start()
	if pid := m.containerd(m.daemon); pid != orphan {
		t.Errorf("containerd is process %d, want that which was left behind, %d", pid, orphan)
	}
	m.wantRunning(id)
	// The registry has another port now: a pull must find it.
	if _, err := m.cri.PullImage(t.Context(), &runtimeapi.ImageSpec{Image: "docker.io/library/nocmd:1"}, nil, nil); err != nil {
		t.Error(err)
	}
	if err := syscall.Kill(orphan, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	m.within(10*time.Second, "another containerd answers", func() error {
		_, err := m.cri.Status(t.Context(), false)
		return err
	})
	m.wantRunning(id)
	m.stop()
	if pids, err := processesWith("--config", m.daemon.files.config()); err != nil || len(pids) > 0 {
		t.Errorf("after Stop there are containerds %v, %v", pids, err)
	}
	m.start()
}

// One that would be started in another way now, or does not answer, is replaced.
func TestReplacesLeftBehind(t *testing.T) {
	m := newMachine(t)
	_, id := m.run("p", nil, nil, "sleep", "3600")
	for what, spoil := range map[string]func(pid int) error{
		"another configuration": func(int) error {
			return os.WriteFile(m.daemon.files.config(), []byte("# of another podling\n"), 0o600)
		},
		"stopped": func(pid int) error { return syscall.Kill(pid, syscall.SIGSTOP) },
	} {
		t.Run(what, func(t *testing.T) {
			orphan := m.orphan()
			if err := spoil(orphan); err != nil {
				t.Fatal(err)
			}
			m.start()
			if pid := m.containerd(m.daemon); pid == orphan {
				t.Errorf("the containerd left behind, process %d, still runs", orphan)
			}
			m.wantRunning(id)
		})
	}
}

// orphan replaces the daemon's containerd by one that nobody minds.
func (m *machine) orphan() int {
	m.Helper()
	m.stop()
	p, err := m.daemon.launch()
	if err != nil {
		m.Fatal(err)
	}
	left, err := cri.Connect(m.Context(), m.daemon.Endpoint())
	if err != nil {
		m.Fatal(err)
	}
	if err := left.Close(m.Context()); err != nil {
		m.Fatal(err)
	}
	return p.Pid
}

// RemoveAll leaves nothing on the machine.
func TestRemoveAll(t *testing.T) {
	m := newMachine(t)
	for i := range 3 {
		m.run(fmt.Sprint("p", i), nil, nil, "sleep", "3600")
	}
	d := m.daemon
	m.daemon = nil
	if err := d.RemoveAll(t.Context()); err != nil {
		t.Error(err)
	}
	wantNothingLeft(t, d)
}

// Nor does it when containerd does not come back: it says what it had to do
// without, and does the rest.
func TestRemoveAllWithoutContainerd(t *testing.T) {
	m := newMachine(t)
	m.run("p", nil, nil, "sleep", "3600")
	d := m.daemon
	m.daemon = nil
	if err := os.WriteFile(d.files.config(), []byte("no configuration"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(m.containerd(d), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := d.RemoveAll(t.Context()); err == nil || !strings.Contains(err.Error(), "no container runtime answers") {
		t.Errorf("error: %v, want one that says that the runtime did not answer", err)
	}
	wantNothingLeft(t, d)
}

func wantNothingLeft(t *testing.T, d *Daemon) {
	t.Helper()
	for flag, value := range map[string]string{"-address": d.files.socket(), "--config": d.files.config()} {
		if pids, err := processesWith(flag, value); err != nil || len(pids) > 0 {
			t.Errorf("processes left with %s %s: %v %v", flag, value, pids, err)
		}
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(mounts, []byte(string(d.files)+"/")) {
		t.Errorf("mounts left:\n%s", mounts)
	}
	if _, err := os.Stat(string(d.files)); !os.IsNotExist(err) {
		t.Errorf("the folder is left: %v", err)
	}
	for _, dir := range []string{"/sys/class/net", "/var/lib/cni"} {
		err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
			if strings.Contains(path, d.network.name) {
				t.Errorf("left: %s", path)
			}
			return err
		})
		if err != nil && !os.IsNotExist(err) {
			t.Error(err)
		}
	}
	wantNoRules(t, d.network)
}

func wantNoRules(t *testing.T, n Network) {
	t.Helper()
	for _, rule := range n.rules() {
		if iptablesRule(t.Context(), iptables(), "-C", rule) == nil {
			t.Errorf("firewall rule left: %v", rule)
		}
	}
}

func TestSuite(t *testing.T) {
	m := newMachine(t)
	suite.Run(t, suite.Runtime{
		RuntimeService:      m.cri.RuntimeService,
		ImageManagerService: m.cri.ImageManagerService,
		Image:               "docker.io/library/busybox:1.36",
		NoImage:             "docker.io/library/busybox:no-such-tag",
	})
}
