package conformance

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/podling/podling/conformance/launch"
	"github.com/podling/podling/runtime/cri"
)

// cri is the container runtime of the node of that name.
func (j *joining) cri(name string) *cri.Runtime {
	j.Helper()
	return criOf(j.T, filepath.Join(j.folder, name))
}

// criOf is podling's own containerd of a data folder.
func criOf(t *testing.T, data string) *cri.Runtime {
	t.Helper()
	runtime, err := cri.Connect(t.Context(), "unix://"+filepath.Join(data, "containerd", "containerd.sock"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := runtime.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return runtime
}

// alive are the containers of that name that run.
func (j *joining) alive(runtime *cri.Runtime, name string) []string {
	j.Helper()
	return alive(j.T, runtime, name)
}

func alive(t *testing.T, runtime *cri.Runtime, name string) []string {
	t.Helper()
	list, err := runtime.ListContainers(t.Context(), &runtimeapi.ContainerFilter{State: &runtimeapi.ContainerStateValue{State: runtimeapi.ContainerState_CONTAINER_RUNNING}})
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, c := range list {
		if c.GetMetadata().GetName() == name {
			ids = append(ids, c.Id)
		}
	}
	return ids
}

// wantNothingOf wants no shim, mount or cgroup that the pods of a data folder left.
func wantNothingOf(t *testing.T, data string, uids []string) {
	t.Helper()
	for _, group := range cgroups(t) {
		if slices.ContainsFunc(uids, func(uid string) bool { return strings.Contains(group, uid) }) {
			t.Errorf("left: cgroup %s", group)
		}
	}
	processes, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range processes {
		line, err := os.ReadFile(file)
		if err == nil && strings.Contains(string(line), data+"/") && strings.Contains(string(line), "containerd-shim") {
			t.Errorf("left: process %s: %s", file, strings.ReplaceAll(string(line), "\x00", " "))
		}
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(mounts)) {
		if strings.Contains(line, " "+data+"/") {
			t.Errorf("left: mount %s", line)
		}
	}
}

// cgroups are those of podling's nodes, on this machine.
func cgroups(t *testing.T) []string {
	t.Helper()
	var found []string
	for _, pattern := range []string{"/sys/fs/cgroup/podling-*", "/sys/fs/cgroup/*/podling-*"} { // v2, v1
		roots, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, root := range roots {
			err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
				if errors.Is(err, fs.ErrNotExist) { // it has just gone
					return nil
				}
				if err == nil && entry.IsDir() {
					found = append(found, path)
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	return found
}

// namespaces are the network namespaces that containerd has made and not removed.
func namespaces(t *testing.T) []string {
	t.Helper()
	found, err := filepath.Glob("/run/netns/cni-*")
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// shim is the process that minds a pod's containers.
func shim(t *testing.T, sandbox string) int {
	t.Helper()
	processes, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range processes {
		line, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		words := strings.Split(string(line), "\x00")
		if strings.Contains(words[0], "containerd-shim") && slices.Contains(words, sandbox) {
			pid, err := strconv.Atoi(strings.Split(file, "/")[2])
			if err != nil {
				t.Fatal(err)
			}
			return pid
		}
	}
	t.Fatalf("sandbox %s has no shim", sandbox)
	return 0
}

// TestBehindItsBack: a pod's shim is killed, and another pod's sandbox is removed, by somebody who is not
// the node: each pod runs again, its restart counted, and nothing is left of what it was.
func TestBehindItsBack(t *testing.T) {
	binary, mirror := given(t)
	data := filepath.Join(t.TempDir(), "data")
	p, err := launch.Up(t.Context(), binary, "--data-dir", data, "--registry-mirror", mirror)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { removeBridge(t, data) })
	config, err := clientcmd.BuildConfigFromFlags("", p.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	j := &joining{T: t, config: config}
	if j.client, err = kubernetes.NewForConfig(config); err != nil {
		t.Fatal(err)
	}
	runtime := criOf(t, data)
	networks := namespaces(t)
	var uids []string
	for i, hit := range []struct {
		name     string
		by       func(sandbox string)
		restarts []string
	}{
		{"shim-killed", func(sandbox string) { kill(t, shim(t, sandbox)) }, []string{"1"}},
		{"sandbox-removed", func(sandbox string) {
			if err := errors.Join(runtime.StopPodSandbox(t.Context(), sandbox), runtime.RemovePodSandbox(t.Context(), sandbox)); err != nil {
				t.Fatal(err)
			}
			// The runtime ends the container first: the node may try it again in what is left of the sandbox.
		}, []string{"1", "2"}},
	} {
		t.Run(hit.name, func(t *testing.T) {
			j := j.within(t)
			defer j.tell()
			mark := fmt.Sprintf("36%d%d", i, os.Getpid()) // no other process sleeps that long
			j.pod(hit.name, p.Node, "sleep", mark)
			before := running(t, j.client)[hit.name]
			sandboxes := sandboxesOf(t, runtime, hit.name)
			if len(sandboxes) != 1 {
				t.Fatalf("sandboxes: %v", sandboxes)
			}
			uids = append(uids, string(pods(t, j.client)[hit.name].UID))
			hit.by(sandboxes[0])
			until(t, "the pod runs again", func() bool {
				now := running(t, j.client)[hit.name]
				_, restarts, _ := strings.Cut(now, " restarts=")
				return now != before && slices.Contains(hit.restarts, restarts)
			})
			until(t, "one process of it is left", func() bool { return sleepers(t, mark) == 1 })
			if ids := alive(t, runtime, "main"); len(ids) != 1 {
				t.Errorf("containers that run: %v", ids)
			}
			now := int64(0)
			if err := j.client.CoreV1().Pods("default").Delete(t.Context(), hit.name, metav1.DeleteOptions{GracePeriodSeconds: &now}); err != nil {
				t.Fatal(err)
			}
			until(t, "the pod is gone", func() bool { return len(pods(t, j.client)) == 0 })
			until(t, "its sandboxes are gone", func() bool { return len(sandboxesOf(t, runtime, hit.name)) == 0 })
			if sleepers(t, mark) != 0 {
				t.Error("a process of it is left")
			}
		})
	}
	until(t, "no network namespace is left", func() bool {
		return !slices.ContainsFunc(namespaces(t), func(n string) bool { return !slices.Contains(networks, n) })
	})
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
	wantNothingOf(t, data, uids)
}

// within is the same for a part of the test.
func (j *joining) within(t *testing.T) *joining {
	part := *j
	part.T = t
	return &part
}

// tell says what happened in a test that failed.
func (j *joining) tell() {
	if !j.Failed() {
		return
	}
	events, err := j.client.CoreV1().Events("").List(context.WithoutCancel(j.Context()), metav1.ListOptions{})
	if err != nil {
		j.Logf("what happened: %v", err)
		return
	}
	for _, e := range events.Items {
		j.Logf("%s %s: %s: %s", e.InvolvedObject.Kind, e.InvolvedObject.Name, e.Reason, e.Message)
	}
}

// sandboxesOf are the sandboxes of the pod of that name.
func sandboxesOf(t *testing.T, runtime *cri.Runtime, pod string) []string {
	t.Helper()
	list, err := runtime.ListPodSandbox(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, s := range list {
		if s.GetMetadata().GetName() == pod {
			ids = append(ids, s.Id)
		}
	}
	return ids
}

// sleepers is how many processes sleep for so long.
func sleepers(t *testing.T, seconds string) int {
	t.Helper()
	processes, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, file := range processes {
		if line, err := os.ReadFile(file); err == nil && string(line) == "sleep\x00"+seconds+"\x00" {
			n++
		}
	}
	return n
}
