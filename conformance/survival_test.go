package conformance

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"

	"github.com/podling/podling/conformance/launch"
)

// survivalLimit bounds each thing that is waited for; on an idle machine each takes a second or two.
const survivalLimit = 2 * time.Minute

// TestSurvival kills podling with pods running, and then its containerd: every
// container goes on, as the same one, and what was asked for meanwhile is done.
func TestSurvival(t *testing.T) {
	binary, mirror := given(t)
	data := filepath.Join(t.TempDir(), "data")
	t.Cleanup(func() { removeBridge(t, data) })
	flags := []string{"--data-dir", data, "--listen", "127.0.0.1:0", "--registry-mirror", mirror}
	p, client := launched(t, binary, flags...)
	for i := range 10 {
		create(t, client, fmt.Sprintf("p%d", i))
	}
	until(t, "ten pods run", func() bool { return len(running(t, client)) == 10 })
	before := running(t, client)

	now := int64(1)
	if err := client.CoreV1().Pods("default").Delete(t.Context(), "p3", metav1.DeleteOptions{GracePeriodSeconds: &now}); err != nil {
		t.Fatal(err)
	}
	kill(t, p.Pid)
	p.Wait()
	p, client = launched(t, binary, flags...)
	until(t, "the pod that was deleted is gone", func() bool { _, there := pods(t, client)["p3"]; return !there })
	delete(before, "p3")
	if after := running(t, client); !maps.Equal(before, after) {
		t.Errorf("after kill -9 of podling the containers are\n%v\nthey were\n%v", after, before)
	}

	kill(t, containerd(t, data))
	create(t, client, "late")
	until(t, "a pod made while containerd was dead runs", func() bool { return running(t, client)["late"] != "" })
	after := running(t, client)
	delete(after, "late")
	if !maps.Equal(before, after) {
		t.Errorf("after kill -9 of containerd the containers are\n%v\nthey were\n%v", after, before)
	}

	if err := client.CoreV1().Pods("default").DeleteCollection(t.Context(), metav1.DeleteOptions{GracePeriodSeconds: &now}, metav1.ListOptions{}); err != nil {
		t.Fatal(err)
	}
	until(t, "all pods are gone", func() bool { return len(pods(t, client)) == 0 })
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
}

// removeBridge takes the pods' bridge away, which podling leaves for the containers that it leaves.
func removeBridge(t *testing.T, data string) {
	t.Helper()
	bridge := bridgeOf(t, data)
	if _, err := net.InterfaceByName(bridge); err != nil {
		return
	}
	if out, err := exec.Command("ip", "link", "delete", bridge).CombinedOutput(); err != nil {
		t.Errorf("removing bridge %s: %v: %s", bridge, err, out)
	}
}

// bridgeOf is the name of the bridge of a podling's pods.
func bridgeOf(t *testing.T, data string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(data, "containerd", "cni", "*.conflist"))
	if err != nil || len(files) != 1 {
		t.Fatalf("the network's configuration: %v, %v", files, err)
	}
	raw, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	var conf struct{ Plugins []struct{ Bridge string } }
	if err := json.Unmarshal(raw, &conf); err != nil {
		t.Fatal(err)
	}
	for _, plugin := range conf.Plugins {
		if plugin.Bridge != "" {
			return plugin.Bridge
		}
	}
	t.Fatalf("%s names no bridge", files[0])
	return ""
}

func create(t *testing.T, client kubernetes.Interface, name string) {
	t.Helper()
	pod := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1.PodSpec{Containers: []v1.Container{{
		Name: "main", Image: "busybox:1.36", ImagePullPolicy: v1.PullIfNotPresent, Command: []string{"sleep", "3600"},
	}}}}
	if _, err := client.CoreV1().Pods("default").Create(t.Context(), pod, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

func pods(t *testing.T, client kubernetes.Interface) map[string]v1.Pod {
	t.Helper()
	list, err := client.CoreV1().Pods("default").List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]v1.Pod{}
	for _, pod := range list.Items {
		out[pod.Name] = pod
	}
	return out
}

// running tells, of each pod that runs, which container it is and how often it was restarted.
func running(t *testing.T, client kubernetes.Interface) map[string]string {
	t.Helper()
	out := map[string]string{}
	for name, pod := range pods(t, client) {
		if s := pod.Status.ContainerStatuses; len(s) == 1 && s[0].State.Running != nil {
			out[name] = fmt.Sprintf("%s restarts=%d", s[0].ContainerID, s[0].RestartCount)
		}
	}
	return out
}

func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, survivalLimit, true, func(context.Context) (bool, error) { return is(), nil })
	if err != nil {
		t.Fatalf("%s: not within %v", what, survivalLimit)
	}
}

func kill(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatalf("kill -9 %d: %v", pid, err)
	}
}

func containerd(t *testing.T, data string) int {
	t.Helper()
	pid, err := launch.Containerd(data)
	if err != nil {
		t.Fatal(err)
	}
	return pid
}
