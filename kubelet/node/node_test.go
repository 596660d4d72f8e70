package node_test

import (
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/record"
	internalapi "k8s.io/cri-api/pkg/apis"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/podling/podling/controlplane"
	"github.com/podling/podling/kubelet/node"
)

// patience is how long the tests wait for what must happen.
const patience = 30 * time.Second

// cluster is the control plane that the nodes of these tests join.
var cluster *controlplane.ControlPlane

func TestMain(m *testing.M) { os.Exit(withCluster(m)) }

func withCluster(m *testing.M) int {
	flag.Parse()
	dir, err := os.MkdirTemp("", "podling-node-*")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	if cluster, err = controlplane.Start(context.Background(), controlplane.Config{DataDir: dir, Ephemeral: true}); err != nil {
		fmt.Fprintln(os.Stderr, "control plane:", err)
		return 1
	}
	code := m.Run()
	if err := cluster.Stop(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "stop control plane:", err)
		return 1
	}
	return code
}

// A runtime whose health a test decides.
type fakeRuntime struct {
	internalapi.RuntimeService
	internalapi.ImageManagerService

	mu      sync.Mutex
	err     error
	network string // what is wrong with it
	images  []*runtimeapi.Image
}

func (r *fakeRuntime) be(err error, network string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err, r.network = err, network
}

func (r *fakeRuntime) Status(context.Context, bool) (*runtimeapi.StatusResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	network := &runtimeapi.RuntimeCondition{Type: runtimeapi.NetworkReady, Status: r.network == ""}
	if r.network != "" {
		network.Reason, network.Message = "NetworkPluginNotReady", r.network
	}
	return &runtimeapi.StatusResponse{
		Status: &runtimeapi.RuntimeStatus{Conditions: []*runtimeapi.RuntimeCondition{
			{Type: runtimeapi.RuntimeReady, Status: true}, network,
		}},
		RuntimeHandlers: []*runtimeapi.RuntimeHandler{
			{Name: "runc", Features: &runtimeapi.RuntimeHandlerFeatures{RecursiveReadOnlyMounts: true}}, {Name: ""},
		},
		Features: &runtimeapi.RuntimeFeatures{SupplementalGroupsPolicy: true},
	}, r.err
}

func (r *fakeRuntime) Version(context.Context, string) (*runtimeapi.VersionResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return &runtimeapi.VersionResponse{RuntimeName: "containerd", RuntimeVersion: "v2.4.2"}, r.err
}

func (r *fakeRuntime) ListImages(context.Context, *runtimeapi.ImageFilter) ([]*runtimeapi.Image, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.images, r.err
}

func (r *fakeRuntime) ImageFsInfo(context.Context) (*runtimeapi.ImageFsInfoResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return &runtimeapi.ImageFsInfoResponse{}, r.err
}

func (r *fakeRuntime) Close(context.Context) error { return nil }

// away is what a call says when nobody listens on the runtime's socket.
var away = status.Error(codes.Unavailable, "connection refused")

// running is a node that runs, and what it says.
type running struct {
	*testing.T
	name    string
	runtime *fakeRuntime
	node    *node.Node
	admin   kubernetes.Interface
	events  *record.FakeRecorder
	states  chan node.State
	began   time.Time
	stop    func()
}

// run starts a node in the cluster, with what change makes of its configuration.
func run(t *testing.T, name string, runtime *fakeRuntime, change func(*node.Config)) *running {
	t.Helper()
	ip := net.IPv4(127, 0, 0, 1)
	identity, err := cluster.NodeIdentity(name, []net.IP{ip})
	if err != nil {
		t.Fatal(err)
	}
	r := &running{
		T: t, name: name, runtime: runtime, events: record.NewFakeRecorder(100), states: make(chan node.State, 100),
		admin: kubernetes.NewForConfigOrDie(cluster.Admin()),
	}
	cfg := node.Config{
		Name: name, IPs: []net.IP{ip}, Client: kubernetes.NewForConfigOrDie(identity.Config),
		Runtime: runtime, Images: runtime, Port: func() int32 { return 12345 }, RootDir: t.TempDir(),
		Version: "v1.36.3+podling", MaxPods: 110, Recorder: r.events,
		State: func(s node.State) { r.states <- s },
	}
	if change != nil {
		change(&cfg)
	}
	r.node = node.New(cfg)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	r.began = time.Now()
	go func() { ended <- r.node.Run(ctx) }()
	r.stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("the node ended with %v", err)
			}
		case <-time.After(patience):
			t.Error("the node does not end")
		}
	})
	t.Cleanup(func() {
		r.stop()
		err := r.admin.CoreV1().Nodes().Delete(context.Background(), name, metav1.DeleteOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			t.Error(err)
		}
	})
	return r
}

// until waits for the Node to be as wanted and returns it.
func (r *running) until(what string, wanted func(*v1.Node) bool) *v1.Node {
	r.Helper()
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	w, err := r.admin.CoreV1().Nodes().Watch(ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + r.name})
	if err != nil {
		r.Fatal(err)
	}
	defer w.Stop()
	var last *v1.Node
	for {
		event, open := <-w.ResultChan()
		if !open {
			r.Fatalf("the node is not %s: %+v", what, last)
		}
		if event.Type == watch.Deleted {
			r.Fatal("the node was deleted")
		}
		last = event.Object.(*v1.Node)
		if wanted(last) {
			return last
		}
	}
}

func ready(status v1.ConditionStatus) func(*v1.Node) bool {
	return func(n *v1.Node) bool { return condition(n, v1.NodeReady).Status == status }
}

func condition(n *v1.Node, kind v1.NodeConditionType) v1.NodeCondition {
	for _, c := range n.Status.Conditions {
		if c.Type == kind {
			return c
		}
	}
	return v1.NodeCondition{}
}

// event waits for an event with that in it.
func (r *running) event(want string) {
	r.Helper()
	var others []string
	deadline := time.After(patience)
	for {
		select {
		case got := <-r.events.Events:
			if strings.Contains(got, want) {
				return
			}
			others = append(others, got)
		case <-deadline:
			r.Errorf("no event %q, only %q", want, others)
			return
		}
	}
}
