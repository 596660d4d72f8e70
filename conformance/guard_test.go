package conformance

import (
	"bytes"
	"context"
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/kubernetes/pkg/securitycontext"
	"sigs.k8s.io/yaml"
)

// guarded is a node with pods that it confines.
type guarded struct {
	*joining
	data, manifests string
}

// TestGuards is about what a node keeps its pods from, and about how it ends with them.
func TestGuards(t *testing.T) {
	binary, mirror := given(t)
	g := &guarded{joining: &joining{T: t, binary: binary, mirror: mirror}, data: filepath.Join(t.TempDir(), "data"), manifests: t.TempDir()}
	t.Cleanup(func() { removeBridge(t, g.data) })
	g.up()
	t.Cleanup(func() { // before it ends
		if t.Failed() && syscall.Kill(g.plane.Pid, 0) == nil {
			t.Logf("what the test left: %v", g.clear())
		}
	})
	if _, err := g.client.CoreV1().Secrets("default").Create(t.Context(), &v1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "word"}, StringData: map[string]string{"word": theSecret}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	g.make(guardedPods)
	until(t, "the pods run", func() bool { return len(running(t, g.client)) == 3 })
	t.Run("confined", func(t *testing.T) { g.in(t).confined() })
	t.Run("secrets", func(t *testing.T) { g.in(t).secrets() })
	t.Run("links", func(t *testing.T) { g.in(t).links() })
	t.Run("shutdown", func(t *testing.T) { g.in(t).shutdown() })
}

func (g *guarded) up() {
	g.Helper()
	g.launch("--data-dir", g.data, "--registry-mirror", g.mirror, "--pod-manifest-path", g.manifests)
}

// clear deletes all pods and waits until they are gone.
func (g *guarded) clear() error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(g.Context()), survivalLimit)
	defer cancel()
	now := int64(1)
	if err := g.client.CoreV1().Pods("default").DeleteCollection(ctx, metav1.DeleteOptions{GracePeriodSeconds: &now}, metav1.ListOptions{}); err != nil {
		return err
	}
	runtime := criOf(g.T, g.data)
	return wait.PollUntilContextCancel(ctx, 50*time.Millisecond, true, func(ctx context.Context) (bool, error) {
		left, err := runtime.ListPodSandbox(ctx, nil)
		return err == nil && len(left) == 0, err
	})
}

// in is the same for a part of the test.
func (g *guarded) in(t *testing.T) *guarded {
	part := *g
	j := *g.joining
	j.T, part.joining = t, &j
	return &part
}

func (g *guarded) make(pods string) {
	g.Helper()
	for text := range strings.SplitSeq(pods, "---\n") {
		pod := &v1.Pod{}
		if err := yaml.UnmarshalStrict([]byte(text), pod); err != nil {
			g.Fatal(err)
		}
		for _, list := range [][]v1.Container{pod.Spec.Containers, pod.Spec.InitContainers} {
			for i := range list {
				list[i].Image, list[i].ImagePullPolicy = "busybox:1.36", v1.PullIfNotPresent
			}
		}
		if _, err := g.client.CoreV1().Pods("default").Create(g.Context(), pod, metav1.CreateOptions{}); err != nil {
			g.Fatal(err)
		}
	}
}

// theSecret is in a Secret, and nowhere on the node's disk.
const theSecret = "5c1b-open-sesame-77e0"

const guardedPods = `
metadata: {name: plain}
spec:
  containers:
  - {name: main, command: [sh, -c, "trap 'sleep 2; exit 1' TERM; while :; do sleep 0.1; done"]}
---
metadata: {name: tight}
spec:
  priorityClassName: system-node-critical
  securityContext: {runAsNonRoot: true, runAsUser: 1000, runAsGroup: 1000, seccompProfile: {type: RuntimeDefault}}
  containers:
  - name: main
    command: [sh, -c, "trap 'exit 1' TERM; while :; do sleep 0.1; done"]
    securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL], add: [NET_BIND_SERVICE]}}
---
metadata: {name: secretive}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: main
    command: [sh, -c, "trap 'exit 1' TERM; while :; do sleep 0.1; done"]
    volumeMounts: [{name: secret, mountPath: /secret}]
  volumes: [{name: secret, secret: {secretName: word}}]
`

// confinement is what of a container's OCI specification keeps it in.
type confinement struct {
	Process struct {
		NoNewPrivileges bool
		Capabilities    struct{ Bounding, Effective, Permitted, Inheritable, Ambient []string }
	}
	Root  struct{ Readonly bool }
	Linux struct {
		MaskedPaths, ReadonlyPaths []string
		Seccomp                    *struct{ DefaultAction string }
		Namespaces                 []struct{ Type string }
	}
}

func (g *guarded) confinementOf(pod string) confinement {
	g.Helper()
	id := strings.TrimPrefix(pods(g.T, g.client)[pod].Status.ContainerStatuses[0].ContainerID, "containerd://")
	status, err := criOf(g.T, g.data).ContainerStatus(g.Context(), id, true)
	if err != nil {
		g.Fatal(err)
	}
	var info struct{ RuntimeSpec confinement }
	if err := json.Unmarshal([]byte(status.GetInfo()["info"]), &info); err != nil {
		g.Fatal(err)
	}
	return info.RuntimeSpec
}

// confined compares what a container may do with what it may on upstream's node and an ordinary containerd:
// as its specification says it, and as the kernel has it.
func (g *guarded) confined() {
	usual := []string{"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FSETID", "CAP_FOWNER", "CAP_MKNOD", "CAP_NET_RAW", "CAP_SETGID", "CAP_SETUID",
		"CAP_SETFCAP", "CAP_SETPCAP", "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT", "CAP_KILL", "CAP_AUDIT_WRITE"} // containerd's pkg/oci
	same := func(what string, got, want []string) {
		g.Helper()
		got, want = slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))
		if !slices.Equal(got, want) {
			g.Errorf("%s: %q, want %q", what, got, want)
		}
	}
	for pod, want := range map[string]struct {
		caps                 []string
		tight                bool
		bits, effective, nnp string
		seccomp              string
	}{
		"plain": {usual, false, "a80425fb", "a80425fb", "0", "0"},
		"tight": {[]string{"CAP_NET_BIND_SERVICE"}, true, "400", "0", "1", "2"},
	} {
		spec := g.confinementOf(pod)
		same(pod+" may", spec.Process.Capabilities.Bounding, want.caps)
		same(pod+" may at most", spec.Process.Capabilities.Permitted, want.caps)
		same(pod+" hands on", append(spec.Process.Capabilities.Inheritable, spec.Process.Capabilities.Ambient...), nil)
		same(pod+" does not see", spec.Linux.MaskedPaths, securitycontext.ConvertToRuntimeMaskedPaths(nil))
		same(pod+" does not write to", spec.Linux.ReadonlyPaths, securitycontext.ConvertToRuntimeReadonlyPaths(nil))
		if spec.Process.NoNewPrivileges != want.tight || spec.Root.Readonly != want.tight || (spec.Linux.Seccomp != nil) != want.tight {
			g.Errorf("%s: %+v", pod, spec)
		}
		if s := spec.Linux.Seccomp; s != nil && s.DefaultAction != "SCMP_ACT_ERRNO" {
			g.Errorf("%s: what is not allowed by seccomp is %s", pod, s.DefaultAction)
		}
		for _, kind := range []string{"pid", "ipc", "uts", "mount", "network"} {
			if !slices.ContainsFunc(spec.Linux.Namespaces, func(n struct{ Type string }) bool { return n.Type == kind }) {
				g.Errorf("%s has no %s namespace of its own", pod, kind)
			}
		}
		said := map[string]string{}
		for line := range strings.Lines(g.exec(pod, "cat /proc/1/status")) {
			name, value, _ := strings.Cut(line, ":")
			said[name] = strings.TrimLeft(strings.TrimSpace(value), "0")
		}
		for name, want := range map[string]string{"CapBnd": want.bits, "CapEff": want.effective, "CapPrm": want.effective, "CapInh": "0", "CapAmb": "0", "NoNewPrivs": want.nnp, "Seccomp": want.seccomp} {
			if got := said[name]; got != strings.TrimLeft(want, "0") {
				g.Errorf("%s: the kernel says %s %q, want %s", pod, name, got, want)
			}
		}
	}
	for pod, lines := range map[string][]string{
		"plain": {
			"! echo x >/proc/sys/kernel/domainname", "! echo h >/proc/sysrq-trigger", "! touch /sys/x", "! mount -t tmpfs none /tmp", "! hostname x",
			`test -z "$(cat /proc/keys /proc/timer_list /proc/kcore 2>/dev/null | head -c 1)"`, `test -z "$(ls /sys/firmware)"`,
			"mknod /tmp/disk b 8 0; ! head -c 1 /tmp/disk", "! cat /proc/1/root/etc/shadow",
		},
		"tight": {"! touch /x", "! mknod /dev/shm/disk b 8 0", "! ping -c 1 127.0.0.1", "! chown 0 /dev/shm", `test "$(id -u):$(id -g)" = 1000:1000`},
	} {
		for _, line := range lines {
			if got := g.exec(pod, "("+line+") >/dev/null 2>&1; echo $?"); got != "0" {
				g.Errorf("in %s %q ends with %s", pod, line, got)
			}
		}
	}
}

// secrets are in memory alone, and the node's folders are closed to others.
func (g *guarded) secrets() {
	if got := g.exec("secretive", "cat /secret/word"); got != theSecret {
		g.Fatalf("the pod reads %q", got)
	}
	for mount := range strings.Lines(g.exec("secretive", "grep -E ' (/secret|/var/run/secrets/[^ ]*) ' /proc/mounts")) {
		if words := strings.Fields(mount); words[2] != "tmpfs" || !slices.Contains(strings.Split(words[3], ","), "ro") {
			g.Errorf("a secret's mount is %s", mount)
		}
	}
	var disk syscall.Stat_t
	if err := syscall.Stat(g.data, &disk); err != nil {
		g.Fatal(err)
	}
	if disk.Mode&0o066 != 0 { // users of pods that are nobody on the host pass through, and see nothing
		g.Errorf("the data folder has mode %o", disk.Mode)
	}
	for _, closed := range []string{"kubelet", "log", "pki", "etcd", "containerd/root"} {
		info, err := os.Stat(filepath.Join(g.data, closed))
		if err != nil || info.Mode().Perm()&0o066 != 0 {
			g.Errorf("%s: %v, %v", closed, info.Mode(), err)
		}
	}
	seen := 0
	for _, folder := range []string{"kubelet", "containerd", "log"} {
		err := filepath.WalkDir(filepath.Join(g.data, folder), func(path string, entry fs.DirEntry, err error) error {
			if os.IsNotExist(err) {
				return nil
			}
			if err != nil {
				return err
			}
			var s syscall.Stat_t
			if err := syscall.Lstat(path, &s); err != nil || s.Dev != disk.Dev {
				if err == nil && entry.IsDir() {
					return filepath.SkipDir // a mount: what is there is not on the disk, or seen where it is
				}
				return nil
			}
			if s.Mode&syscall.S_IFMT != syscall.S_IFREG || s.Size > 8<<20 {
				return nil
			}
			content, err := os.ReadFile(path)
			if err != nil && !os.IsNotExist(err) {
				return err
			}
			if seen++; bytes.Contains(content, []byte(theSecret)) {
				g.Errorf("the secret is in %s", path)
			}
			return nil
		})
		if err != nil {
			g.Error(err)
		}
	}
	if seen < 20 {
		g.Errorf("only %d files were looked at", seen)
	}
}

// links that lead out of a volume are refused, in words that say nothing of the host.
func (g *guarded) links() {
	g.make(`
metadata: {name: links}
spec:
  restartPolicy: Never
  terminationGracePeriodSeconds: 0
  initContainers:
  - {name: liar, command: [sh, -c, "ln -s / /v/host && ln -s ../../../../../../../../../../../../../../etc/passwd /v/passwd"], volumeMounts: [{name: v, mountPath: /v}]}
  containers:
  - {name: folder, command: [sleep, "3600"], volumeMounts: [{name: v, mountPath: /host, subPath: host}]}
  - {name: file, command: [sleep, "3600"], volumeMounts: [{name: v, mountPath: /passwd, subPath: passwd}]}
  - {name: below, command: [sleep, "3600"], volumeMounts: [{name: v, mountPath: /new, subPath: host/podling-was-here}]}
  volumes: [{name: v, emptyDir: {}}]
`)
	want := map[string]string{
		"folder": `failed to prepare subPath for volumeMount "v" of container "folder"`,
		"file":   `failed to prepare subPath for volumeMount "v" of container "file"`,
		"below":  `failed to create subPath directory for volumeMount "v" of container "below"`,
	}
	got := map[string]string{}
	until(g.T, "all containers are refused", func() bool {
		for _, c := range pods(g.T, g.client)["links"].Status.ContainerStatuses {
			if w := c.State.Waiting; w != nil && w.Reason == "CreateContainerConfigError" {
				got[c.Name] = w.Message
			}
			if c.State.Running != nil {
				g.Fatalf("container %s runs", c.Name)
			}
		}
		return len(got) == len(want)
	})
	for name, message := range want {
		if got[name] != message {
			g.Errorf("%s: %q, want %q", name, got[name], message)
		}
	}
	if _, err := os.Lstat("/podling-was-here"); err == nil {
		g.Error("a folder of the host's was made")
	}
	now := int64(0)
	if err := g.client.CoreV1().Pods("default").Delete(g.Context(), "links", metav1.DeleteOptions{GracePeriodSeconds: &now}); err != nil {
		g.Fatal(err)
	}
	until(g.T, "the pod is gone", func() bool { _, there := pods(g.T, g.client)["links"]; return !there })
	if _, err := os.Stat("/etc/passwd"); err != nil {
		g.Errorf("what a link leads to: %v", err)
	}
}

// shutdown has the node end with its pods, the critical one last, and come back: with its static pods, and
// with what became of the others.
func (g *guarded) shutdown() {
	const static = `
apiVersion: v1
kind: Pod
metadata: {name: static}
spec: {terminationGracePeriodSeconds: 1, containers: [{name: main, image: "busybox:1.36", imagePullPolicy: IfNotPresent, command: [sleep, "3600"]}]}`
	if err := os.WriteFile(filepath.Join(g.manifests, "static.yaml"), []byte(static), 0o600); err != nil {
		g.Fatal(err)
	}
	name := "static-" + g.plane.Node
	until(g.T, "the static pod runs", func() bool { return running(g.T, g.client)[name] != "" })
	var uids []string
	for _, pod := range pods(g.T, g.client) {
		uids = append(uids, string(pod.UID))
	}
	watch, err := g.client.CoreV1().Nodes().Watch(g.Context(), metav1.ListOptions{})
	if err != nil {
		g.Fatal(err)
	}
	told := make(chan string, 1)
	go func() {
		said := ""
		for event := range watch.ResultChan() {
			if node, ok := event.Object.(*v1.Node); ok {
				for _, c := range node.Status.Conditions {
					if c.Type == v1.NodeReady && c.Status == v1.ConditionFalse {
						said = c.Reason + ": " + c.Message
					}
				}
			}
		}
		told <- said
	}()
	if out, err := exec.CommandContext(g.Context(), g.binary, "down", "--pods", "--data-dir", g.data).CombinedOutput(); err != nil {
		g.Fatalf("podling down --pods: %v: %s", err, out)
	}
	if err := g.plane.Stop(); err != nil { // it has ended; this is how
		g.Error(err)
	}
	if got := <-told; got != "KubeletNotReady: node is shutting down" {
		g.Errorf("the node said %q", got)
	}
	wantNothingOf(g.T, g.data, uids)

	g.up()
	until(g.T, "the static pod runs again", func() bool { return strings.HasSuffix(running(g.T, g.client)[name], " restarts=1") })
	all := pods(g.T, g.client)
	ended := map[string]metav1.Time{}
	for _, name := range []string{"plain", "tight", "secretive"} {
		pod := all[name]
		s := pod.Status
		const message = "Pod was terminated in response to imminent node shutdown."
		if s.Phase != v1.PodFailed || s.Reason != "Terminated" || s.Message != message {
			g.Errorf("%s: %s, %s, %q", name, s.Phase, s.Reason, s.Message)
		}
		if !slices.ContainsFunc(s.Conditions, func(c v1.PodCondition) bool {
			return c.Type == v1.DisruptionTarget && c.Status == v1.ConditionTrue && c.Reason == "TerminationByKubelet" && c.Message == message
		}) {
			g.Errorf("%s has the conditions %+v", name, s.Conditions)
		}
		if t := s.ContainerStatuses[0].State.Terminated; t != nil {
			ended[name] = t.FinishedAt
		}
	}
	if first, last := ended["plain"], ended["tight"]; last.Before(&first) {
		g.Errorf("the critical pod ended at %v, before the other one at %v", last, first)
	}
	list, err := g.client.CoreV1().Events("default").List(g.Context(), metav1.ListOptions{FieldSelector: "involvedObject.kind=Node,reason=Shutdown"})
	if err != nil || len(list.Items) != 1 {
		g.Errorf("Events of the shutdown: %v, %v", list, err)
	}
	if err := os.Remove(filepath.Join(g.manifests, "static.yaml")); err != nil {
		g.Fatal(err)
	}
	if err := g.clear(); err != nil {
		g.Fatal(err)
	}
	if err := g.plane.Stop(); err != nil {
		g.Error(err)
	}
}
