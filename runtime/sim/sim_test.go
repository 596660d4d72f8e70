package sim

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	internalapi "k8s.io/cri-api/pkg/apis"
	api "k8s.io/cri-api/pkg/apis/runtime/v1"
	remote "k8s.io/cri-client/pkg"
	upstream "k8s.io/kubernetes/pkg/probe"
	utilexec "k8s.io/utils/exec"

	"github.com/podling/podling/clock"
	"github.com/podling/podling/runtime/sim/script"
)

var (
	_ internalapi.RuntimeService      = (*Runtime)(nil)
	_ internalapi.ImageManagerService = (*Runtime)(nil)
)

// node is a runtime on a clock that jumps when the test waits. The test itself
// has begun something.
type node struct {
	*Runtime
	*testing.T
	clk *clock.Virtual
	dir string
}

func newNode(t *testing.T, profiles string) *node {
	t.Helper()
	list, err := script.ParseProfiles("profiles", []byte(profiles))
	if err != nil {
		t.Fatal(err)
	}
	clk := clock.NewVirtual(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	clk.Begin()
	clk.Resume()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	go clk.Run(ctx)
	return &node{New(Config{Clock: clk, Node: "n", Profiles: list}), t, clk, t.TempDir()}
}

// pod makes a sandbox; says is its annotation.
func (n *node) pod(uid, says string) *api.PodSandboxConfig {
	return &api.PodSandboxConfig{
		Metadata: &api.PodSandboxMetadata{Name: uid, Namespace: "ns", Uid: uid}, LogDirectory: filepath.Join(n.dir, uid),
		Labels: map[string]string{labelPodUID: uid}, Annotations: map[string]string{script.Annotation: says},
		Linux: &api.LinuxPodSandboxConfig{SecurityContext: &api.LinuxSandboxSecurityContext{NamespaceOptions: &api.NamespaceOption{Pid: api.NamespaceMode_CONTAINER}}},
	}
}

func (n *node) sandbox(config *api.PodSandboxConfig) string {
	n.Helper()
	id, err := n.RunPodSandbox(n.Context(), config, "")
	if err != nil {
		n.Fatal(err)
	}
	return id
}

func containerConfig(attempt uint32, image string, command ...string) *api.ContainerConfig {
	return &api.ContainerConfig{Metadata: &api.ContainerMetadata{Name: "main", Attempt: attempt}, Image: &api.ImageSpec{Image: image, UserSpecifiedImage: image},
		Command: command, LogPath: "main.log"}
}

func (n *node) create(sandbox string, config *api.ContainerConfig) string {
	n.Helper()
	if _, err := n.PullImage(n.Context(), config.Image, nil, nil); err != nil {
		n.Fatal(err)
	}
	id, err := n.CreateContainer(n.Context(), sandbox, config, nil)
	if err != nil {
		n.Fatal(err)
	}
	return id
}

// start brings a container up in a pod of its own.
func (n *node) start(says string, command ...string) string {
	n.Helper()
	id := n.create(n.sandbox(n.pod("u"+status.Code(nil).String()+says, says)), containerConfig(0, "busybox:1.36", command...))
	if err := n.StartContainer(n.Context(), id); err != nil {
		n.Fatal(err)
	}
	return id
}

func (n *node) of(id string) *api.ContainerStatus {
	n.Helper()
	s, err := n.ContainerStatus(n.Context(), id, false)
	if err != nil {
		n.Fatal(err)
	}
	return s.Status
}

// after lets time pass and tells how a container ended.
func (n *node) after(d time.Duration, id string) *api.ContainerStatus {
	n.Helper()
	n.clk.Sleep(d)
	return n.of(id)
}

// ended says whether a container ended with that code, reason, and after so long.
func ended(s *api.ContainerStatus, code int32, reason string, after time.Duration) bool {
	ran := time.Duration(s.FinishedAt - s.StartedAt).Round(time.Second)
	return s.State == api.ContainerState_CONTAINER_EXITED && s.ExitCode == code && s.Reason == reason && ran == after
}

func TestScriptedRuns(t *testing.T) {
	for _, test := range []struct {
		says   string
		code   int32
		reason string
		after  time.Duration
	}{
		{"exit: {}", 0, "Completed", 0},
		{"exit: {after: 5s, code: 3}", 3, "Error", 5 * time.Second},
		{"exit: {after: 1h, signal: SIGSEGV}", 139, "Error", time.Hour},
		{"exit: {after: 2s, oom: true}", 137, "OOMKilled", 2 * time.Second},
		{"containers: {main: {exit: {code: 4}}, other: {exit: {code: 5}}}", 4, "Error", 0},
		{"", 7, "Error", 30 * time.Second},
	} {
		n := newNode(t, "")
		id := n.start(test.says, "sh", "-c", "sleep 30; exit 7")
		if s := n.of(id); s.State != api.ContainerState_CONTAINER_RUNNING || s.StartedAt == 0 {
			t.Errorf("%q: %v at once", test.says, s)
		}
		if s := n.after(2*time.Hour, id); !ended(s, test.code, test.reason, test.after) {
			t.Errorf("%q: %v", test.says, s)
		}
	}
}

// Fails twice, then runs.
func TestRuns(t *testing.T) {
	n := newNode(t, "")
	sandbox := n.sandbox(n.pod("u", "runs: [{exit: {code: 1}}, {exit: {code: 2}}, {}]"))
	for attempt, code := range []int32{1, 2, 0, 0} {
		id := n.create(sandbox, containerConfig(uint32(attempt), "busybox", "sleep", "3600"))
		if err := n.StartContainer(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		s := n.after(time.Minute, id)
		if runs := s.State == api.ContainerState_CONTAINER_RUNNING; s.ExitCode != code || runs != (attempt >= 2) {
			t.Errorf("run %d: %v", attempt, s)
		}
	}
}

func TestStop(t *testing.T) {
	for _, test := range []struct {
		says    string
		command []string
		code    int32
		took    time.Duration
	}{
		{"stop: {}", nil, 0, 0},
		{"stop: {after: 3s, code: 143}", nil, 143, 3 * time.Second},
		{"stop: {after: 30s}", nil, 137, 10 * time.Second},
		{"stop: {ignore: true}", nil, 137, 10 * time.Second},
		{"", []string{"sleep", "3600"}, 137, 10 * time.Second},
		{"", []string{"sh", "-c", "trap 'sleep 2; exit 4' TERM; sleep 3600 & wait"}, 4, 2 * time.Second},
	} {
		n := newNode(t, "")
		id := n.start(test.says, test.command...)
		n.clk.Sleep(time.Second)
		began := n.clk.Now()
		if err := n.StopContainer(t.Context(), id, 10); err != nil {
			t.Fatal(err)
		}
		if s, took := n.of(id), n.clk.Since(began).Truncate(time.Second); s.ExitCode != test.code || took != test.took {
			t.Errorf("%q %v: %v after %v", test.says, test.command, s, took)
		}
		if err := n.StopContainer(t.Context(), id, 10); err != nil {
			t.Error(err)
		}
	}
	n := newNode(t, "")
	id := n.start("stop: {ignore: true}")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := n.StopContainer(ctx, id, 10); status.Code(err) != codes.Canceled || n.of(id).State != api.ContainerState_CONTAINER_RUNNING {
		t.Errorf("a caller that has gone: %v", err)
	}
}

func TestStartError(t *testing.T) {
	n := newNode(t, "")
	for command, want := range map[string]string{
		"/no/such/file":   `failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: "/no/such/file": stat /no/such/file: no such file or directory`,
		"no-such-program": `exec: "no-such-program": executable file not found in $PATH`,
	} {
		id := n.create(n.sandbox(n.pod(command, "")), containerConfig(0, "busybox", command))
		err := n.StartContainer(t.Context(), id)
		if s := n.of(id); err == nil || s.ExitCode != 128 || s.Reason != "StartError" || !strings.Contains(s.Message, want) || s.StartedAt != 0 || status.Convert(err).Message() != s.Message {
			t.Errorf("%v, %v", err, s)
		}
	}
	id := n.create(n.sandbox(n.pod("said", "start: {took: 3s, error: no more room}")), containerConfig(0, "busybox", "true"))
	began := n.clk.Now()
	if err := n.StartContainer(t.Context(), id); status.Convert(err).Message() != "no more room" || n.clk.Since(began) != 3*time.Second {
		t.Errorf("%v after %v", err, n.clk.Since(began))
	}
	said := n.sandbox(n.pod("create", "create: {error: not today}"))
	if _, err := n.CreateContainer(t.Context(), said, containerConfig(0, "busybox"), nil); status.Convert(err).Message() != "not today" {
		t.Errorf("%v", err)
	}
	bad, err := n.RunPodSandbox(t.Context(), n.pod("bad", "exit: {cod: 1}"), "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.CreateContainer(t.Context(), bad, containerConfig(0, "busybox"), nil); status.Code(err) != codes.InvalidArgument || !strings.Contains(err.Error(), "annotation podling.dev/sim, line 1: exit.cod") {
		t.Errorf("a script that cannot be read: %v", err)
	}
}

const registry = `
apiVersion: podling.dev/v1alpha1
kind: SimProfile
metadata: {name: p}
spec:
  image: "*acme/*"
  script: {exit: {code: 9}}
  images:
  - {image: "busybox:no-such*", notFound: true}
  - {image: "far.example.com/*", unreachable: true}
  - {image: odd, error: out of space}
  - {image: slow, pull: 20s, size: 5Gi}
  - {image: "nocmd:1", noCommand: true}
`

func TestImages(t *testing.T) {
	n := newNode(t, registry)
	for name, want := range map[string]string{
		"busybox:no-such-tag":    `rpc error: code = NotFound desc = failed to pull and unpack image "docker.io/library/busybox:no-such-tag": failed to resolve image: docker.io/library/busybox:no-such-tag: not found`,
		"far.example.com:5000/x": "",
		"far.example.com/x:1":    `rpc error: code = Unknown desc = failed to pull and unpack image "far.example.com/x:1": failed to resolve image: failed to do request: Head "https://far.example.com/v2/x/manifests/1": dial tcp: lookup far.example.com: no such host`,
		"odd":                    `rpc error: code = Unknown desc = failed to pull and unpack image "docker.io/library/odd:latest": out of space`,
	} {
		_, err := n.PullImage(t.Context(), &api.ImageSpec{Image: name}, nil, nil)
		if (err == nil) != (want == "") || err != nil && err.Error() != want {
			t.Errorf("%s: %v", name, err)
		}
	}
	began := n.clk.Now()
	id, err := n.PullImage(t.Context(), &api.ImageSpec{Image: "slow"}, nil, nil)
	if err != nil || n.clk.Since(began) != 20*time.Second {
		t.Errorf("%v after %v", err, n.clk.Since(began))
	}
	for _, name := range []string{id, "slow", "slow:latest", "docker.io/library/slow"} {
		if s, err := n.ImageStatus(t.Context(), &api.ImageSpec{Image: name}, false); err != nil || s.GetImage().GetId() != id || s.Image.Size != 5<<30 {
			t.Errorf("%s: %v, %v", name, s, err)
		}
	}
	other := New(Config{})
	if again, err := other.PullImage(t.Context(), &api.ImageSpec{Image: "slow"}, nil, nil); err != nil || again != id {
		t.Errorf("another node has it as %s, %v, not %s", again, err, id)
	}
	began = n.clk.Now()
	if _, err := n.PullImage(t.Context(), &api.ImageSpec{Image: "quick"}, nil, n.pod("u", "pull: {took: 7s, error: no line}")); err == nil || !strings.HasSuffix(err.Error(), ": no line") || n.clk.Since(began) != 7*time.Second {
		t.Errorf("%v", err)
	}
	sandbox := n.sandbox(n.pod("u", ""))
	if _, err := n.PullImage(t.Context(), &api.ImageSpec{Image: "nocmd:1"}, nil, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := n.CreateContainer(t.Context(), sandbox, containerConfig(0, "nocmd:1"), nil); err == nil || !strings.Contains(err.Error(), "no command specified") {
		t.Errorf("%v", err)
	}
	// A profile chooses by image; a command that only the image has runs until it is stopped.
	for image, code := range map[string]int32{"acme/tool:1": 9, "nginx": 0} {
		id := n.create(sandbox, containerConfig(0, image, "/its/own", "--flag"))
		if err := n.StartContainer(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		if s := n.after(time.Hour, id); s.ExitCode != code || (s.State == api.ContainerState_CONTAINER_EXITED) != (code != 0) {
			t.Errorf("%s: %v", image, s)
		}
	}
	if err := n.RemoveImage(t.Context(), &api.ImageSpec{Image: id}); err != nil {
		t.Error(err)
	}
	if s, err := n.ImageStatus(t.Context(), &api.ImageSpec{Image: "slow"}, false); err != nil || s.Image != nil {
		t.Errorf("%v, %v", s, err)
	}
}

func probe(h v1.ProbeHandler) *v1.Probe { return &v1.Probe{ProbeHandler: h, TimeoutSeconds: 1} }

func get(port int, path string) v1.ProbeHandler {
	return v1.ProbeHandler{HTTPGet: &v1.HTTPGetAction{Port: intstr.FromInt(port), Path: path}}
}

func tcp(port string) v1.ProbeHandler {
	return v1.ProbeHandler{TCPSocket: &v1.TCPSocketAction{Port: intstr.Parse(port)}}
}

func TestProbes(t *testing.T) {
	n := newNode(t, "")
	spec := &v1.Container{Ports: []v1.ContainerPort{{Name: "web", ContainerPort: 8080}}}
	web := n.start("", "sh", "-c", "mkdir /w; echo hi > /w/index.html; httpd -p 8080 -h /w; touch /tmp/ok; sleep 3600")
	redirect := n.start(" ", "sh", "-c", `while true; do printf 'HTTP/1.1 302 Found\r\nLocation: http://192.0.2.1/x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n' | nc -l -p 8080 >/dev/null; done`)
	n.clk.Sleep(time.Second)
	// Addresses are given in order: 10.88.0.2 and 10.88.0.3.
	for _, test := range []struct {
		id      string
		handler v1.ProbeHandler
		want    upstream.Result
		output  string
	}{
		{web, get(8080, "/index.html"), upstream.Success, "hi\n"},
		{web, get(8080, "/"), upstream.Success, "hi\n"},
		{web, get(8080, "/none"), upstream.Failure, "HTTP probe failed with statuscode: 404"},
		{web, get(81, "/x"), upstream.Failure, `Get "http://10.88.0.2:81/x": dial tcp 10.88.0.2:81: connect: connection refused`},
		{web, tcp("web"), upstream.Success, ""},
		{web, tcp("82"), upstream.Failure, "dial tcp 10.88.0.2:82: connect: connection refused"},
		{redirect, get(8080, "/"), upstream.Warning, "Probe terminated redirects, Response body: "},
		{redirect, get(8080, "/"), upstream.Warning, "Probe terminated redirects, Response body: "},
	} {
		got, output, err := n.Probe(t.Context(), test.id, "Readiness", probe(test.handler), spec)
		if got != test.want || output != test.output || err != nil {
			t.Errorf("%v: %v, %q, %v", test.handler, got, output, err)
		}
		n.clk.Sleep(100 * time.Millisecond)
	}
	// An image's own program is well.
	own := n.create(n.sandbox(n.pod("own", "")), containerConfig(0, "nginx"))
	if err := n.StartContainer(t.Context(), own); err != nil {
		t.Fatal(err)
	}
	if got, _, err := n.Probe(t.Context(), own, "Liveness", probe(get(80, "/")), spec); got != upstream.Success || err != nil {
		t.Errorf("%v, %v", got, err)
	}
	// Scripted: not yet, well, late, ill.
	said := n.start("probes: {readiness: [{after: 5s, ok: true}, {after: 10s, took: 3s}, {after: 20s, output: tired}]}", "sleep", "3600")
	for _, want := range []upstream.Result{upstream.Failure, upstream.Success, upstream.Failure, upstream.Failure} {
		began := n.clk.Now()
		got, output, err := n.Probe(t.Context(), said, "readiness", probe(get(80, "/")), nil)
		if got != want || err != nil || n.clk.Since(began) > time.Second {
			t.Errorf("%v, %q, %v, want %v", got, output, err, want)
		}
		n.clk.Sleep(6 * time.Second)
	}
}

func TestHooks(t *testing.T) {
	n := newNode(t, "")
	sleep := &v1.LifecycleHandler{Sleep: &v1.SleepAction{Seconds: 4}}
	get := &v1.LifecycleHandler{HTTPGet: &v1.HTTPGetAction{Port: intstr.FromInt(80)}}
	id := n.start("", "sleep", "3600")
	began := n.clk.Now()
	if err := n.Hook(t.Context(), id, "PreStop", sleep, nil); err != nil || n.clk.Since(began) != 4*time.Second {
		t.Errorf("%v after %v", err, n.clk.Since(began))
	}
	if err := n.Hook(t.Context(), id, "PreStop", get, nil); err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("%v", err)
	}
	said := n.start("hooks: {postStart: {took: 2s}, preStop: {error: no}}", "sleep", "3600")
	began = n.clk.Now()
	if err := n.Hook(t.Context(), said, "postStart", get, nil); err != nil || n.clk.Since(began) != 2*time.Second {
		t.Errorf("%v", err)
	}
	if err := n.Hook(t.Context(), said, "PreStop", sleep, nil); err == nil || err.Error() != "no" {
		t.Errorf("%v", err)
	}
}

func TestExecSync(t *testing.T) {
	n := newNode(t, "")
	id := n.start("", "sleep", "3600")
	stdout, _, err := n.ExecSync(t.Context(), id, []string{"sh", "-c", "echo hi; exit 3"}, 0)
	exit := utilexec.CodeExitError{}
	if !errors.As(err, &exit) || exit.Code != 3 || string(stdout) != "hi\n" {
		t.Errorf("%q, %v", stdout, err)
	}
	if _, _, err := n.ExecSync(t.Context(), id, []string{"sleep", "9"}, time.Second); !errors.Is(err, remote.ErrCommandTimedOut) {
		t.Errorf("%v", err)
	}
	if err := n.RemoveContainer(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if _, _, err := n.ExecSync(t.Context(), id, []string{"true"}, 0); status.Code(err) != codes.NotFound {
		t.Errorf("%v", err)
	}
}

// Files on the node's disk: logs and last words, each made when it is written.
func TestFiles(t *testing.T) {
	n := newNode(t, "")
	config := n.pod("u", "")
	sandbox := n.sandbox(config)
	c := containerConfig(0, "busybox", "sh", "-c", "echo done: 42 > /dev/termination-log; sleep 10; echo late; sleep 5; echo over")
	c.Mounts = []*api.Mount{{HostPath: filepath.Join(n.dir, "message"), ContainerPath: "/dev/termination-log"}}
	if err := os.WriteFile(c.Mounts[0].HostPath, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	id := n.create(sandbox, c)
	if err := n.StartContainer(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	n.clk.Sleep(5 * time.Second)
	if _, err := os.Stat(config.LogDirectory); !os.IsNotExist(err) {
		t.Errorf("a folder for a log that nobody has written: %v", err)
	}
	if b, err := os.ReadFile(c.Mounts[0].HostPath); err != nil || string(b) != "done: 42\n" {
		t.Errorf("%q, %v", b, err)
	}
	n.clk.Sleep(6 * time.Second)
	path := n.of(id).LogPath
	if b, err := os.ReadFile(path); err != nil || string(b) != "2026-01-01T00:00:10.001Z stdout F late\n" {
		t.Errorf("%q, %v", b, err)
	}
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	if err := n.ReopenContainerLog(t.Context(), id); err != nil {
		t.Error(err)
	}
	if b, err := os.ReadFile(path); err != nil || len(b) > 0 {
		t.Errorf("%q, %v", b, err)
	}
	n.clk.Sleep(6 * time.Second)
	if b, err := os.ReadFile(path); err != nil || !strings.HasSuffix(string(b), " stdout F over\n") {
		t.Errorf("%q, %v", b, err)
	}
	said := n.start("exit: {code: 1, message: last words}\nlogs: [{line: x, every: 1s}]")
	n.clk.Sleep(3 * time.Second)
	if s := n.of(said); s.ExitCode != 1 {
		t.Errorf("%v", s)
	}
}

// The pod's first process ends, and all of the pod's with it.
func TestSandboxDies(t *testing.T) {
	n := newNode(t, "")
	config := n.pod("u", "")
	config.Linux.SecurityContext.NamespaceOptions.Pid = api.NamespaceMode_POD
	sandbox := n.sandbox(config)
	id := n.create(sandbox, containerConfig(0, "busybox", "sh", "-c", "sleep 3; kill -TERM 1; sleep 1; kill -INT 1; sleep 3600"))
	if err := n.StartContainer(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if s := n.after(time.Minute, id); !ended(s, 137, "Error", 3*time.Second) {
		t.Errorf("%v", s)
	}
	if s, err := n.PodSandboxStatus(t.Context(), sandbox, false); err != nil || s.Status.State != api.PodSandboxState_SANDBOX_NOTREADY {
		t.Errorf("%v, %v", s, err)
	}
}

// Lists are in order, and find a pod's own.
func TestLists(t *testing.T) {
	n := newNode(t, "")
	var made []string
	for _, uid := range []string{"a", "b", "c"} {
		s := n.sandbox(n.pod(uid, ""))
		for range 2 {
			c := containerConfig(0, "busybox")
			c.Labels = map[string]string{labelPodUID: uid}
			made = append(made, n.create(s, c))
		}
	}
	all, err := n.ListContainers(t.Context(), nil)
	if err != nil || len(all) != len(made) {
		t.Fatalf("%v, %v", all, err)
	}
	for i, c := range all {
		if c.Id != made[i] || len(c.Id) != 64 {
			t.Errorf("%d: %s", i, c.Id)
		}
	}
	of, err := n.ListContainers(t.Context(), &api.ContainerFilter{LabelSelector: map[string]string{labelPodUID: "b"}})
	if err != nil || len(of) != 2 || of[0].Id != made[2] {
		t.Errorf("%v, %v", of, err)
	}
	pods, err := n.ListPodSandbox(t.Context(), &api.PodSandboxFilter{LabelSelector: map[string]string{labelPodUID: "b"}})
	if err != nil || len(pods) != 1 || pods[0].Metadata.Uid != "b" {
		t.Errorf("%v, %v", pods, err)
	}
	if err := n.RemovePodSandbox(t.Context(), pods[0].Id); err != nil {
		t.Error(err)
	}
	if left, err := n.ListContainers(t.Context(), nil); err != nil || len(left) != 4 {
		t.Errorf("%v, %v", left, err)
	}
	if stats, err := n.ListContainerStats(t.Context(), &api.ContainerStatsFilter{LabelSelector: map[string]string{labelPodUID: "a"}}); err != nil || len(stats) != 0 {
		t.Errorf("containers that do not run: %v, %v", stats, err)
	}
}

func TestUsage(t *testing.T) {
	n := newNode(t, "")
	id := n.start("usage: {cpu: 250m, memory: 64Mi}", "sleep", "3600")
	n.clk.Sleep(4 * time.Second)
	s, err := n.ContainerStats(t.Context(), id)
	if err != nil || s.Memory.WorkingSetBytes.Value != 64<<20 || s.Cpu.UsageCoreNanoSeconds.Value != 1e9 {
		t.Errorf("%v, %v", s, err)
	}
	if err := n.UpdateContainerResources(t.Context(), id, &api.ContainerResources{Linux: &api.LinuxContainerResources{MemoryLimitInBytes: 5, CpuShares: 7}}); err != nil {
		t.Error(err)
	}
	if err := n.UpdateContainerResources(t.Context(), id, &api.ContainerResources{Linux: &api.LinuxContainerResources{MemoryLimitInBytes: 6}}); err != nil {
		t.Error(err)
	}
	if r := n.of(id).Resources.Linux; r.MemoryLimitInBytes != 6 || r.CpuShares != 7 {
		t.Errorf("%v", r)
	}
}
