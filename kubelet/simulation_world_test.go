package kubelet

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/record"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/podling/podling/kubelet/claim"
	"github.com/podling/podling/kubelet/environment"
	"github.com/podling/podling/kubelet/handler"
	"github.com/podling/podling/kubelet/hook"
	"github.com/podling/podling/kubelet/image"
	"github.com/podling/podling/kubelet/probe"
	"github.com/podling/podling/kubelet/reference"
	"github.com/podling/podling/kubelet/report"
	"github.com/podling/podling/kubelet/userns"
	"github.com/podling/podling/kubelet/volume"
	"github.com/podling/podling/kubelet/worker"
	"github.com/podling/podling/lifecycle"
	"github.com/podling/podling/runtime/fault"
	"github.com/podling/podling/runtime/sim"
)

// world is what outlives a node process: the API server, the runtime with its
// containers, and what is remembered of both to hold the node to it.
type world struct {
	*stage
	dir     string
	api     api
	runtime *sim.Runtime
	others  kubernetes.Interface // the API server's other objects
	env     *environment.Maker
	node    *nodeLife // that is up
	lives   int

	names    map[string]string  // of sandboxes and containers, by ID
	all      map[string]*v1.Pod // that ever were, by name
	shown    map[string]int     // the highest restart count that the API had of a container that ran, by pod and name
	attempts map[string]int     // that containers were started with, by ID
	ran      map[string]int     // how often it was started
	refused  bool               // an API write failed, and is to be tried again
}

// nodeLife is one node process, from its start to its crash.
type nodeLife struct {
	*world
	crashed bool
	desk    *desk
	faults  *fault.Faults
	cancel  context.CancelFunc
	looking bool // it compares with the runtime right now
}

func newWorld(s *stage, dir string, others kubernetes.Interface, env *environment.Maker) *world {
	w := &world{stage: s, dir: dir, others: others, env: env, api: api{pods: map[string]*v1.Pod{}},
		names: map[string]string{}, all: map[string]*v1.Pod{}, shown: map[string]int{}, attempts: map[string]int{}, ran: map[string]int{}}
	w.runtime = sim.New(sim.Config{Clock: stageClock{s, nil}, Node: "n"})
	return w
}

func (w *world) containers() []*runtimeapi.Container {
	list, _ := w.runtime.ListContainers(context.Background(), nil) // never fails
	return list
}

func (w *world) sandboxes() []*runtimeapi.PodSandbox {
	list, _ := w.runtime.ListPodSandbox(context.Background(), nil) // never fails
	return list
}

func (w *world) named(id, name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.names[id] = name
}

func (w *world) name(id string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if n := w.names[id]; n != "" {
		return n
	}
	return id
}

func (w *world) refuse() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.refused = true
}

// boot starts a node process.
func (w *world) boot(faults []fault.Rule) {
	n := &nodeLife{world: w}
	clk := stageClock{w.stage, n}
	n.faults = fault.New(clk)
	for _, r := range faults {
		if _, err := n.faults.Add(r); err != nil {
			w.wrong("fault: %v", err)
		}
	}
	runtime, images := gates{n.faults.Runtime(w.runtime, "n"), n}, imageGates{n.faults.Images(w.runtime, "n"), n}
	event := func(pod *v1.Pod, e lifecycle.Event) {
		if !n.crashed {
			w.say("%s: event %s %s %s", pod.Name, e.Reason, e.Container, e.Message)
		}
	}
	api := client{w.others, n}
	self := func() *v1.Node { return &v1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n", UID: "n"}} }
	ctx, cancel := context.WithCancel(context.Background())
	n.cancel = cancel
	shared := &worker.Node{
		Simulated: true, Name: "n", HostIPs: []string{"192.0.2.1"}, Since: clk.Now(), RuntimeName: sim.Name,
		RootDir: w.dir, LogDir: filepath.Join(w.dir, "logs"), ResolvConf: filepath.Join(w.dir, "resolv.conf"), ClusterDomain: "cluster.local",
		Runtime: runtime, Images: image.New(images, clk), Clock: clk, Faults: n.faults, Cgroups: noCgroups{},
		Volumes:     volume.NewSimulated(w.dir, api, reference.New(api), "n", self, &record.FakeRecorder{}, nil),
		Environment: w.env, Handlers: handler.New(api, func() []v1.NodeRuntimeHandler { return nil }),
		Probers: probe.New(runtime, event), Hooks: hook.New(runtime, clk, event), Claims: claim.New(api),
		Reporter: report.New(ctx, api, clk, self), Event: event, CRIFailed: func(error) {},
		PullSecrets: func(context.Context, *v1.Pod, string) []*runtimeapi.AuthConfig { return nil },
		Turn: func(pod *v1.Pod) {
			_ = n.park(n, "%s: looks", pod.UID[:2]) // a crash ends the context
		},
	}
	var err error
	if shared.Users, err = userns.New(w.dir, 110, shared.Handlers.UserNamespaces); err != nil {
		w.wrong("users: %v", err)
	}
	n.desk = newDesk(shared, func() *v1.Node { return nil })
	n.desk.unfit = func(*v1.Pod) *lifecycle.Rejection { return nil }
	w.node = n
	w.lives++
	go n.events(ctx, w.runtime)
	n.desk.begin(ctx, nil)
	w.api.news = nil
	for _, name := range sorted(w.api.pods) {
		n.desk.pod(w.api.pods[name].DeepCopy(), false)
	}
	n.desk.open()
}

func sorted[V any](m map[string]V) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// hear tells the node the next that the API server has to tell.
func (w *world) hear() {
	n := w.api.news[0]
	w.api.news = w.api.news[1:]
	w.node.desk.pod(n.pod, n.gone)
}

// look has the node compare what it knows with the runtime, as it does every so often.
func (n *nodeLife) look() {
	n.looking = true
	go func() {
		ctx := context.WithValue(n.desk.ctx, whoKey{}, "relist: ")
		_, err := n.desk.compare(ctx)
		n.mu.Lock()
		defer n.mu.Unlock()
		n.looking = false
		if err != nil && !n.crashed {
			n.said = append(n.said, fmt.Sprint("relist: ", err))
		}
	}()
}

// create makes a pod.
func (w *world) create(pod *v1.Pod) {
	pod.Namespace, pod.UID, pod.Generation = "ns", types.UID(pod.Name+"-uid"), 1
	pod.CreationTimestamp = metav1.NewTime(w.now.Truncate(time.Second))
	pod.Spec.NodeName, pod.Spec.EnableServiceLinks, pod.Spec.DNSPolicy = "n", new(bool), v1.DNSDefault
	pod.Status.Phase, pod.Status.QOSClass = v1.PodPending, v1.PodQOSBestEffort
	w.all[pod.Name] = pod
	w.api.change(pod, false)
}

// remove asks for a pod's deletion, as a user does.
func (w *world) remove(name string, grace int64) {
	pod := w.api.pods[name].DeepCopy()
	if pod.DeletionTimestamp == nil {
		pod.Generation++
	}
	at := metav1.NewTime(w.now.Truncate(time.Second).Add(time.Duration(grace) * time.Second))
	pod.DeletionTimestamp, pod.DeletionGracePeriodSeconds = &at, &grace
	w.api.change(pod, false)
}

func prepare(dir string) error {
	return os.WriteFile(filepath.Join(dir, "resolv.conf"), []byte("nameserver 192.0.2.53\n"), 0o600)
}
