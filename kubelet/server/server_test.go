package server_test

import (
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	registryv1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	internalapi "k8s.io/cri-api/pkg/apis"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/podling/podling/clock"
	busybox "github.com/podling/podling/conformance/images"
	"github.com/podling/podling/kubelet/server"
	"github.com/podling/podling/runtime/containerd"
	"github.com/podling/podling/runtime/cri"
	"github.com/podling/podling/runtime/fault"
)

// patience is how long the tests wait for what must happen.
const patience = 30 * time.Second

// The runtime behind the server, a containerd of the tests' own (they need root and its programs on
// PATH), and the pod that it runs.
var (
	runtime *cri.Runtime
	thePod  *v1.Pod
)

func TestMain(m *testing.M) {
	flag.Parse()
	code, err := withPod(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func withPod(m *testing.M) (code int, err error) {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "podling-server-*")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	archive, err := busyboxArchive(dir)
	if err != nil {
		return 0, err
	}
	daemon, err := containerd.Start(ctx, containerd.Config{Dir: filepath.Join(dir, "ctr"), Images: []string{archive}})
	if err != nil {
		return 0, err
	}
	defer func() {
		removed := daemon.RemoveAll(ctx)
		left, _ := filepath.Glob("/sys/fs/cgroup/*" + podCgroup) // of each controller, in version 1
		for _, folder := range append(left, "/sys/fs/cgroup"+podCgroup) {
			if gone := os.Remove(folder); !errors.Is(gone, os.ErrNotExist) {
				removed = errors.Join(removed, gone)
			}
		}
		if removed != nil && err == nil {
			err = removed
		}
	}()
	if runtime, err = cri.Connect(ctx, daemon.Endpoint()); err != nil {
		return 0, err
	}
	defer runtime.Close(ctx)
	if err := runPod(ctx, filepath.Join(dir, "log")); err != nil {
		return 0, err
	}
	return m.Run(), nil
}

func busyboxArchive(dir string) (string, error) {
	program, err := busybox.Busybox()
	if err != nil {
		return "", err
	}
	made, err := busybox.Scenarios(program)
	if err != nil {
		return "", err
	}
	images := map[name.Tag]registryv1.Image{}
	for image, content := range made {
		tag, err := name.NewTag(image)
		if err != nil {
			return "", err
		}
		images[tag] = content
	}
	archive := filepath.Join(dir, "busybox.tar")
	return archive, tarball.MultiWriteToFile(archive, images)
}

// podCgroup is the pod's, without which the runtime does not measure it.
var podCgroup = fmt.Sprintf("/podling-server-test-%d", os.Getpid())

// runPod runs the pod that the tests look at, each container of it for one kind of look, and writes
// down its status as a node would.
func runPod(ctx context.Context, logs string) error {
	sandbox := &runtimeapi.PodSandboxConfig{
		Metadata:     &runtimeapi.PodSandboxMetadata{Name: "pod", Namespace: "default", Uid: "the-uid"},
		Labels:       map[string]string{"io.kubernetes.pod.uid": "the-uid"},
		LogDirectory: logs,
		Linux:        &runtimeapi.LinuxPodSandboxConfig{CgroupParent: podCgroup},
	}
	image := &runtimeapi.ImageSpec{Image: "docker.io/library/busybox:1.36"}
	if _, err := runtime.PullImage(ctx, image, nil, sandbox); err != nil {
		return err
	}
	sandboxID, err := runtime.RunPodSandbox(ctx, sandbox, "")
	if err != nil {
		return err
	}
	thePod = &v1.Pod{}
	thePod.Name, thePod.Namespace, thePod.UID = "pod", "default", "the-uid"
	ids := map[string]string{}
	for container, script := range map[string]string{
		"lines":  "for i in 1 2 3 4 5; do echo line $i; done; sleep 3600",
		"echo":   "while read line; do echo got $line; [ $line = quit ] && exit; done",
		"serve":  `mkfifo /say; while cat /say; do :; done & mkdir /www; echo served >/www/index.html; httpd -f -p 127.0.0.1:8080 -h /www`,
		"before": "echo the one before >&2",
	} {
		thePod.Spec.Containers = append(thePod.Spec.Containers, v1.Container{Name: container})
		id, err := runtime.CreateContainer(ctx, sandboxID, &runtimeapi.ContainerConfig{
			Metadata: &runtimeapi.ContainerMetadata{Name: container}, Labels: sandbox.Labels,
			Image: image, Command: []string{"sh", "-c", script}, LogPath: container + ".log",
			Stdin: container == "echo",
		}, sandbox)
		if err != nil {
			return err
		}
		if err := runtime.StartContainer(ctx, id); err != nil {
			return err
		}
		ids[container] = "containerd://" + id
	}
	runs := v1.ContainerState{Running: &v1.ContainerStateRunning{StartedAt: metav1.Now()}}
	ended := v1.ContainerState{Terminated: &v1.ContainerStateTerminated{ContainerID: ids["before"]}}
	thePod.Status.ContainerStatuses = []v1.ContainerStatus{
		{Name: "lines", ContainerID: ids["lines"], State: runs, LastTerminationState: ended},
		{Name: "echo", ContainerID: ids["echo"], State: runs},
		{Name: "serve", ContainerID: ids["serve"], State: runs},
		{Name: "before", ContainerID: ids["before"], State: ended},
		{Name: "pulling", State: v1.ContainerState{Waiting: &v1.ContainerStateWaiting{Reason: "ErrImagePull"}}},
	}
	for _, more := range []string{"pulling", "unknown"} {
		thePod.Spec.Containers = append(thePod.Spec.Containers, v1.Container{Name: more})
	}
	return nil
}

// serve starts a server for the pod, until the test's end, and returns a client that it lets in and
// who signed for either.
func serve(t *testing.T, change ...func(*server.Config)) (*rest.Config, *authority) {
	t.Helper()
	client, ca, end := serveUntil(t, change...)
	t.Cleanup(end)
	return client, ca
}

func serveUntil(t *testing.T, change ...func(*server.Config)) (client *rest.Config, ca *authority, end func()) {
	t.Helper()
	ca = newAuthority(t)
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	faults := fault.New(clock.Real{})
	config := server.Config{
		Listen: "127.0.0.1:0", Cert: ca.serving(t), ClientCAs: pool, Client: asked{}.client(t), NodeName: "n", Runtime: func(*v1.Pod) internalapi.RuntimeService { return faults.Runtime(runtime, "n") },
		Pods: func() []*v1.Pod { return []*v1.Pod{thePod} }, Faults: faults,
	}
	for _, c := range change {
		c(&config)
	}
	s, err := server.Listen(config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx) }()
	end = func() {
		cancel()
		select {
		case err := <-served:
			if err != nil {
				t.Errorf("the server ended with %v", err)
			}
		case <-time.After(patience):
			t.Error("the server does not end")
		}
	}
	client = ca.client(t, pkix.Name{CommonName: "kube-apiserver-kubelet-client", Organization: []string{"system:masters"}})
	client.Host = fmt.Sprintf("https://127.0.0.1:%d", s.Port())
	return client, ca, end
}

// get asks for a path and returns the answer.
func get(t *testing.T, client *rest.Config, path string) (int, string) {
	t.Helper()
	return do(t, client, http.MethodGet, path)
}

func do(t *testing.T, client *rest.Config, method, path string) (int, string) {
	t.Helper()
	return read(t, open(t, client, method, path, nil))
}

func post(t *testing.T, client *rest.Config, path, body string) (int, string) {
	t.Helper()
	return read(t, open(t, client, http.MethodPost, path, strings.NewReader(body)))
}

func read(t *testing.T, response *http.Response) (int, string) {
	t.Helper()
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

func open(t *testing.T, client *rest.Config, method, path string, body io.Reader) *http.Response {
	t.Helper()
	transport, err := rest.HTTPClientFor(client)
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(t.Context(), method, client.Host+path, body)
	if err != nil {
		t.Fatal(err)
	}
	response, err := transport.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	return response
}

func TestListenRefuses(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	if _, err := server.Listen(server.Config{Listen: taken.Addr().String(), Client: asked{}.client(t)}); err == nil || !strings.Contains(err.Error(), taken.Addr().String()) {
		t.Errorf("a port that is taken: %v", err)
	}
}
