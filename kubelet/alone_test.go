package kubelet_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/podling/podling/conformance/images"
	"github.com/podling/podling/kubelet"
	"github.com/podling/podling/runtime/containerd"
	"github.com/podling/podling/runtime/cri"
)

// alone is a static pod that uses what could wait for an API server, and does not.
const alone = `apiVersion: v1
kind: Pod
metadata: {name: alone}
spec:
  terminationGracePeriodSeconds: 10
  initContainers:
  - {name: before, image: "busybox:1.36", command: [sh, -c, "echo before >>/diary/lines"], volumeMounts: [{name: diary, mountPath: /diary}]}
  containers:
  - name: main
    image: busybox:1.36
    command: [sh, -c, "echo $NODE $(cat /self/name) >>/diary/lines; trap 'echo end >>/diary/lines; exit' TERM; while :; do sleep 0.1; done"]
    env: [{name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}]
    volumeMounts: [{name: diary, mountPath: /diary}, {name: self, mountPath: /self}]
  volumes:
  - {name: diary, hostPath: {path: %s}}
  - {name: self, downwardAPI: {items: [{path: name, fieldRef: {fieldPath: metadata.name}}]}}
`

// TestStaticPodsAlone runs a node whose API server is not there: its static pods
// run all the same, and end when their manifests go.
func TestStaticPodsAlone(t *testing.T) {
	registry, closeRegistry, err := images.Serve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer closeRegistry()
	host, url, _ := strings.Cut(registry.Mirror(), "=")
	dir, diary, manifests := t.TempDir(), t.TempDir(), t.TempDir()
	daemon, err := containerd.Start(t.Context(), containerd.Config{Dir: filepath.Join(dir, "ctr"), Mirrors: map[string]string{host: url}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := daemon.RemoveAll(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	runtime, err := cri.Connect(t.Context(), daemon.Endpoint())
	if err != nil {
		t.Fatal(err)
	}
	defer runtime.Close(context.Background())
	nobody := closedPort(t)
	node, err := kubelet.New(kubelet.Config{
		NodeName: "lonely", NodeIP: net.IPv4(127, 0, 0, 1), RootDir: filepath.Join(dir, "kubelet"), LogDir: filepath.Join(dir, "log"),
		Client: &rest.Config{Host: "https://" + nobody}, Runtime: runtime, Images: runtime, Listen: "127.0.0.1:0", PodManifestPath: manifests,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- node.Run(ctx) }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := node.RemoveCgroups(); err != nil {
			t.Error(err)
		}
	}()

	manifest := filepath.Join(manifests, "alone.yaml")
	if err := os.WriteFile(manifest, fmt.Appendf(nil, alone, diary), 0o600); err != nil {
		t.Fatal(err)
	}
	await(t, filepath.Join(diary, "lines"), "before\nlonely alone-lonely\n")
	if err := os.Remove(manifest); err != nil {
		t.Fatal(err)
	}
	await(t, filepath.Join(diary, "lines"), "before\nlonely alone-lonely\nend\n")
	pods := filepath.Join(dir, "kubelet", "pods")
	for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		left, err := os.ReadDir(pods)
		if err != nil {
			t.Fatal(err)
		}
		if len(left) == 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("of the pod is left in %s: %v", pods, left)
		}
	}
}

// await waits until the file has that content.
func await(t *testing.T, file, want string) {
	t.Helper()
	var got []byte
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		var err error
		if got, err = os.ReadFile(file); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		if string(got) == want {
			return
		}
	}
	t.Fatalf("%s holds %q, not %q", file, got, want)
}

// closedPort is an address where nobody listens.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
