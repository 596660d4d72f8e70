// Package suite says, as tests, what the node relies on in a container runtime:
// states and exit codes, grace at the end, events in order, logs in the CRI's
// format, removal that can be repeated.
//
// Each runtime's own tests call [Run]; what passes here may stand behind the
// kubelet. (The rules are the CRI's: k8s.io/cri-api, pkg/apis/runtime/v1.)
package suite

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	internalapi "k8s.io/cri-api/pkg/apis"
	api "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// limit is how long a runtime may take to show what must come.
const limit = 20 * time.Second

// A Runtime is what is tested.
type Runtime struct {
	internalapi.RuntimeService
	internalapi.ImageManagerService
	// Image can be pulled and has a shell.
	Image string
	// NoImage is an image's name that no registry knows.
	NoImage string
}

// Run tests a runtime. It leaves no pods behind.
func Run(t *testing.T, r Runtime) {
	if _, err := r.PullImage(t.Context(), &api.ImageSpec{Image: r.Image}, nil, nil); err != nil {
		t.Fatal(err)
	}
	t.Run("a container runs and ends", r.runsAndEnds)
	t.Run("a container's events", r.events)
	t.Run("a container is given time to end", r.grace)
	t.Run("a container's log", r.logs)
	t.Run("a program that is not there", r.noProgram)
	t.Run("images", r.images)
	t.Run("a pod ends with its containers", r.podEnds)
	t.Run("removal", r.removal)
}

// A pod is a sandbox under test.
type pod struct {
	*testing.T
	Runtime
	id     string
	config *api.PodSandboxConfig
}

func (r Runtime) pod(t *testing.T) *pod {
	t.Helper()
	p := &pod{T: t, Runtime: r, config: &api.PodSandboxConfig{
		Metadata:     &api.PodSandboxMetadata{Name: "suite", Namespace: "suite", Uid: fmt.Sprint(time.Now().UnixNano())},
		LogDirectory: t.TempDir(),
	}}
	var err error
	if p.id, err = r.RunPodSandbox(t.Context(), p.config, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		defer cancel()
		if err := r.StopPodSandbox(ctx, p.id); err != nil {
			t.Error(err)
		}
		if err := r.RemovePodSandbox(ctx, p.id); err != nil {
			t.Error(err)
		}
	})
	return p
}

func (p *pod) create(command ...string) string {
	p.Helper()
	id, err := p.CreateContainer(p.Context(), p.id, &api.ContainerConfig{
		Metadata: &api.ContainerMetadata{Name: "main"},
		Image:    &api.ImageSpec{Image: p.Image},
		Command:  command,
		LogPath:  "main.log",
	}, p.config)
	if err != nil {
		p.Fatal(err)
	}
	return id
}

func (p *pod) start(command ...string) string {
	p.Helper()
	id := p.create(command...)
	if err := p.StartContainer(p.Context(), id); err != nil {
		p.Fatal(err)
	}
	return id
}

func (p *pod) container(id string) *api.ContainerStatus {
	p.Helper()
	s, err := p.ContainerStatus(p.Context(), id, false)
	if err != nil {
		p.Fatal(err)
	}
	return s.GetStatus()
}

// until waits for a container's state.
func (p *pod) until(id string, want api.ContainerState) *api.ContainerStatus {
	p.Helper()
	for deadline := time.Now().Add(limit); ; time.Sleep(5 * time.Millisecond) {
		s := p.container(id)
		if s.State == want {
			return s
		}
		if time.Now().After(deadline) {
			p.Fatalf("the container is %v after %v, want %v", s.State, limit, want)
		}
	}
}

func (r Runtime) runsAndEnds(t *testing.T) {
	p := r.pod(t)
	for code, command := range map[int32]string{0: "exit 0", 3: "exit 3", 137: "kill -9 $$"} {
		id := p.create("sh", "-c", command)
		if s := p.container(id); s.State != api.ContainerState_CONTAINER_CREATED || s.CreatedAt == 0 || s.StartedAt != 0 {
			t.Errorf("after create: %v, created %d, started %d", s.State, s.CreatedAt, s.StartedAt)
		}
		if err := p.StartContainer(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		s := p.until(id, api.ContainerState_CONTAINER_EXITED)
		// A program that ends at once may have ended before the runtime, which
		// notes its start when the call returns, has noted that.
		if s.ExitCode != code || s.StartedAt < s.CreatedAt || s.FinishedAt < s.CreatedAt {
			t.Errorf("%q: exit code %d, created %d, started %d, finished %d", command, s.ExitCode, s.CreatedAt, s.StartedAt, s.FinishedAt)
		}
		if want := map[int32]string{0: "Completed"}[code]; want != "" && s.Reason != want || want == "" && s.Reason != "Error" {
			t.Errorf("%q: reason %q", command, s.Reason)
		}
		if err := p.RemoveContainer(t.Context(), id); err != nil {
			t.Error(err)
		}
	}
}

// The node learns of an exit by an event: it never polls for one.
func (r Runtime) events(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	all, ended := make(chan *api.ContainerEventResponse, 100), make(chan error, 1)
	connected := make(chan struct{})
	go func() {
		ended <- r.GetContainerEvents(ctx, all, func(api.RuntimeService_GetContainerEventsClient) { close(connected) })
	}()
	defer func() {
		cancel()
		<-ended
	}()
	<-connected
	p := r.pod(t)
	id := p.start("sh", "-c", "exit 3")
	p.until(id, api.ContainerState_CONTAINER_EXITED)
	if err := p.RemoveContainer(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	for _, want := range []api.ContainerEventType{
		api.ContainerEventType_CONTAINER_CREATED_EVENT, api.ContainerEventType_CONTAINER_STARTED_EVENT,
		api.ContainerEventType_CONTAINER_STOPPED_EVENT, api.ContainerEventType_CONTAINER_DELETED_EVENT,
	} {
		for found := false; !found; {
			select {
			case e := <-all:
				if e.ContainerId != id {
					continue // the sandbox's own
				}
				if found = true; e.ContainerEventType != want {
					t.Fatalf("event %v, want %v", e.ContainerEventType, want)
				}
			case err := <-ended:
				t.Fatalf("the events ended: %v", err)
			case <-time.After(limit):
				t.Fatalf("no %v within %v", want, limit)
			}
		}
	}
}

func (r Runtime) grace(t *testing.T) {
	p := r.pod(t)
	for _, test := range []struct {
		name, script string
		code         int32
	}{
		{"ends when told", "trap 'exit 7' TERM; echo ready; while :; do sleep 0.01; done", 7},
		{"does not listen", "trap '' TERM; echo ready; while :; do sleep 0.01; done", 137},
	} {
		t.Run(test.name, func(t *testing.T) {
			id := p.start("sh", "-c", test.script)
			p.untilLog("ready")
			began := time.Now()
			if err := p.StopContainer(t.Context(), id, 1); err != nil {
				t.Fatal(err)
			}
			took := time.Since(began)
			if s := p.until(id, api.ContainerState_CONTAINER_EXITED); s.ExitCode != test.code {
				t.Errorf("exit code %d, want %d", s.ExitCode, test.code)
			}
			if test.code == 137 && took < time.Second {
				t.Errorf("killed after %v, before its second of grace was over", took)
			}
			if err := p.RemoveContainer(t.Context(), id); err != nil {
				t.Error(err)
			}
			if err := os.Remove(p.logFile()); err != nil {
				t.Error(err)
			}
		})
	}
}

func (p *pod) logFile() string { return filepath.Join(p.config.LogDirectory, "main.log") }

// untilLog waits for a text in the container's log and returns all of it.
func (p *pod) untilLog(text string) string {
	p.Helper()
	for deadline := time.Now().Add(limit); ; time.Sleep(5 * time.Millisecond) {
		b, err := os.ReadFile(p.logFile())
		if err == nil && strings.Contains(string(b), text) {
			return string(b)
		}
		if time.Now().After(deadline) {
			p.Fatalf("no %q in the log within %v: %q, %v", text, limit, b, err)
		}
	}
}

// Each line of a log is TIME STREAM TAG TEXT.
func (r Runtime) logs(t *testing.T) {
	p := r.pod(t)
	p.start("sh", "-c", "echo to out; echo to err >&2; printf unfinished")
	want := map[string]string{"to out": "stdout F", "to err": "stderr F", "unfinished": "stdout P"}
	for line := range strings.Lines(p.untilLog("unfinished")) {
		fields := strings.SplitN(strings.TrimSuffix(line, "\n"), " ", 4)
		if len(fields) != 4 {
			t.Fatalf("line %q", line)
		}
		if _, err := time.Parse(time.RFC3339Nano, fields[0]); err != nil {
			t.Errorf("line %q: %v", line, err)
		}
		if got := fields[1] + " " + fields[2]; got != want[fields[3]] {
			t.Errorf("%q is marked %q, want %q", fields[3], got, want[fields[3]])
		}
		delete(want, fields[3])
	}
	if len(want) > 0 {
		t.Errorf("not in the log: %v", want)
	}
}

func (r Runtime) noProgram(t *testing.T) {
	p := r.pod(t)
	id := p.create("no-such-program")
	err := p.StartContainer(t.Context(), id)
	if err == nil || !strings.Contains(err.Error(), "no-such-program") {
		t.Errorf("start: %v, want an error that names the program", err)
	}
	if s := p.until(id, api.ContainerState_CONTAINER_EXITED); s.ExitCode == 0 {
		t.Errorf("exit code 0 of a program that is not there")
	}
}

func (r Runtime) images(t *testing.T) {
	if s, err := r.ImageStatus(t.Context(), &api.ImageSpec{Image: r.NoImage}, false); err != nil || s.GetImage() != nil {
		t.Errorf("an image that is not there: %v, %v, want none and no error", s.GetImage(), err)
	}
	if _, err := r.PullImage(t.Context(), &api.ImageSpec{Image: r.NoImage}, nil, nil); err == nil {
		t.Error("pulling an image that no registry has: no error")
	}
	s, err := r.ImageStatus(t.Context(), &api.ImageSpec{Image: r.Image}, false)
	if err != nil || s.GetImage().GetId() == "" || len(s.GetImage().GetRepoDigests()) == 0 {
		t.Errorf("an image that is there: %v, %v, want an id and a digest", s.GetImage(), err)
	}
}

func (r Runtime) podEnds(t *testing.T) {
	p := r.pod(t)
	id := p.start("sleep", "3600")
	status := func() *api.PodSandboxStatus {
		s, err := r.PodSandboxStatus(t.Context(), p.id, false)
		if err != nil {
			t.Fatal(err)
		}
		return s.GetStatus()
	}
	if s := status(); s.State != api.PodSandboxState_SANDBOX_READY || s.GetNetwork().GetIp() == "" {
		t.Errorf("a running pod is %v with address %q", s.State, s.GetNetwork().GetIp())
	}
	for range 2 { // stopping what is stopped is no error
		if err := r.StopPodSandbox(t.Context(), p.id); err != nil {
			t.Error(err)
		}
	}
	if s := status(); s.State != api.PodSandboxState_SANDBOX_NOTREADY {
		t.Errorf("a stopped pod is %v", s.State)
	}
	p.until(id, api.ContainerState_CONTAINER_EXITED)
}

func (r Runtime) removal(t *testing.T) {
	p := r.pod(t)
	id := p.start("sleep", "3600")
	for range 2 { // a running container may be removed, and a removed one again
		if err := p.RemoveContainer(t.Context(), id); err != nil {
			t.Error(err)
		}
	}
	left, err := r.ListContainers(t.Context(), &api.ContainerFilter{PodSandboxId: p.id})
	if err != nil || len(left) > 0 {
		t.Errorf("after removal: %v, %v", left, err)
	}
}
