package containerd

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// TestEndsAreKept: how containers ended while no containerd ran is known afterwards, and after the
// next start too. containerd alone says Unknown and 255.
func TestEndsAreKept(t *testing.T) {
	m := newMachine(t)
	gate := filepath.Join(t.TempDir(), "gate")
	if err := os.Mkdir(gate, 0o755); err != nil {
		t.Fatal(err)
	}
	want := map[string]int32{}
	for i, code := range []int32{0, 3} {
		_, id := m.run(fmt.Sprintf("p%d", i), nil, nil, "sh", "-c", fmt.Sprintf("sleep 1; exit %d", code))
		want[id] = code
	}
	_, waits := m.run("waits", nil, nil, "sleep", "3600")
	m.stop()
	time.Sleep(2 * time.Second) // the containers end; nobody tells of it
	for range 2 {
		m.start()
		seen := m.daemon.Remembering(m.cri)
		for id, code := range want {
			r, err := seen.ContainerStatus(t.Context(), id, false)
			if err != nil {
				t.Fatal(err)
			}
			s := r.GetStatus()
			reason := map[int32]string{0: "Completed", 3: "Error"}[code]
			ended := time.Unix(0, s.FinishedAt)
			if s.State != runtimeapi.ContainerState_CONTAINER_EXITED || s.ExitCode != code || s.Reason != reason || time.Since(ended) < time.Second {
				t.Errorf("container that ended with %d is %v, %s %d at %v", code, s.State, s.Reason, s.ExitCode, ended)
			}
		}
		m.wantRunning(waits)
		m.stop()
	}
	m.start()
}

// TestEndsAreHeard: how a container ended is known even if containerd was ended between hearing of it
// and writing it down.
func TestEndsAreHeard(t *testing.T) {
	m := newMachine(t)
	_, id := m.run("p", nil, nil, "sh", "-c", "trap 'exit 7' TERM; sleep 3600 & wait")
	written := filepath.Join(m.daemon.files.container(id), "status")
	running, err := os.ReadFile(written)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.cri.StopContainer(t.Context(), id, 60); err != nil {
		t.Fatal(err)
	}
	m.within(time.Minute, "its end is heard of", func() error {
		m.daemon.heard.mu.Lock()
		defer m.daemon.heard.mu.Unlock()
		if _, known := m.daemon.heard.ends[id]; !known {
			return fmt.Errorf("it is not known")
		}
		return nil
	})
	m.stop()
	if err := os.WriteFile(written, running, 0o600); err != nil {
		t.Fatal(err)
	}
	m.start()
	r, err := m.daemon.Remembering(m.cri).ContainerStatus(t.Context(), id, false)
	if err != nil {
		t.Fatal(err)
	}
	if s := r.GetStatus(); s.State != runtimeapi.ContainerState_CONTAINER_EXITED || s.ExitCode != 7 || s.Reason != "Error" {
		t.Errorf("the container is %v, %s %d; want it ended, Error 7", s.State, s.Reason, s.ExitCode)
	}
}

// TestUnbegun: a container that had not begun when containerd was killed is not said to have ended.
func TestUnbegun(t *testing.T) {
	m := newMachine(t)
	_, id := m.create("p", nil, nil, "sleep", "3600")
	l := m.daemon.files
	if started, err := l.started(id); err != nil || started {
		t.Errorf("started: %v, %v", started, err)
	}
	seen := m.daemon.Remembering(m.cri).(remembering)
	said := func(state runtimeapi.ContainerState, code int32, reason string) *runtimeapi.ContainerStatus {
		s := &runtimeapi.ContainerStatus{Id: id, State: state, ExitCode: code, Reason: reason}
		seen.remember(s)
		return s
	}
	if err := l.writeEnd(id, end{Unbegun: true}); err != nil {
		t.Fatal(err)
	}
	if s := said(runtimeapi.ContainerState_CONTAINER_EXITED, 255, "Unknown"); s.State != runtimeapi.ContainerState_CONTAINER_CREATED || s.ExitCode != 0 || s.Reason != "" {
		t.Errorf("lost by containerd it is %v", s)
	}
	if s := said(runtimeapi.ContainerState_CONTAINER_EXITED, 3, "Error"); s.State != runtimeapi.ContainerState_CONTAINER_EXITED || s.ExitCode != 3 {
		t.Errorf("ended after all it is %v", s)
	}
	if err := m.cri.StartContainer(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if started, err := l.started(id); err != nil || !started {
		t.Errorf("started: %v, %v", started, err)
	}
	m.stop() // which asks the shim
	if e, known := l.readEnd(id); known {
		t.Errorf("of a container that runs it is kept: %+v", e)
	}
	m.start()
}

// TestForgottenShim: a shim that has no task any more is ended at the next start; those of
// containers that run are not.
func TestForgottenShim(t *testing.T) {
	m := newMachine(t)
	_, id := m.run("p", nil, nil, "sleep", "3600")
	m.stop()
	forgotten := exec.Command(sleeper(t))
	forgotten.Args = []string{"containerd-shim-runc-v2", "3600", "-id", "0123", "-address", m.daemon.files.socket()}
	if err := forgotten.Start(); err != nil {
		t.Fatal(err)
	}
	half := filepath.Join(m.daemon.files.tasks(), ".4567")
	if err := os.MkdirAll(half, 0o700); err != nil {
		t.Fatal(err)
	}
	m.start()
	if err := forgotten.Wait(); err == nil || forgotten.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Errorf("the shim that was forgotten ended: %v", err)
	}
	if _, err := os.Stat(half); err == nil {
		t.Errorf("%s is still there", half)
	}
	m.wantRunning(id)
}

// sleeper is a program that takes any arguments and waits.
func sleeper(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "containerd-shim-runc-v2")
	source := path + ".go"
	if err := os.WriteFile(source, []byte("package main\n\nimport \"time\"\n\nfunc main() { time.Sleep(time.Hour) }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("go", "build", "-o", path, source).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return path
}

// TestStuckShim: a shim that still counts a container when its sandbox is stopped is ended.
func TestStuckShim(t *testing.T) {
	m := newMachine(t)
	sandbox, id := m.run("p", nil, nil, "sleep", "3600")
	shim, err := readShim(filepath.Join(m.daemon.files.tasks(), sandbox))
	if err != nil {
		t.Fatal(err)
	}
	pids, err := processesWith("-id", sandbox)
	if err != nil || len(pids) != 1 {
		t.Fatalf("shims: %v, %v", pids, err)
	}
	if err := shim.kill(t.Context(), "another"); err == nil {
		t.Error("the shim of a sandbox was ended as that of another")
	}
	if err := shim.kill(t.Context(), sandbox); err != nil {
		t.Fatal(err)
	}
	m.within(5*time.Second, "the shim ends", func() error {
		if _, err := os.Stat(fmt.Sprintf("/proc/%d", pids[0])); err == nil {
			return fmt.Errorf("process %d is there", pids[0])
		}
		return nil
	})
	m.within(10*time.Second, "containerd hears of it", func() error {
		r, err := m.cri.ContainerStatus(t.Context(), id, false)
		if err == nil && r.GetStatus().GetState() == runtimeapi.ContainerState_CONTAINER_RUNNING {
			err = fmt.Errorf("container %s runs", id)
		}
		return err
	})
}
