// Package kubelet is the node: it takes the pods that are bound to it, gives each
// a worker, and carries out what lifecycle decides.
//
//	watch  ── a pod arrived, a container ended
//	static ── so did a pod, as a file
//	worker ── observe, lifecycle.Decide, act through the runtime
//	report ── write the status
//
// The other folders are what a worker acts with (image, volume, environment,
// dns, hook, cgroup), what ends pods for the node's sake (stats, eviction,
// preemption, shutdown), and what makes the node a node of its cluster (node,
// server). Beside them, on their own, stand what gives Services addresses and
// names (proxy, nameserver).
package kubelet

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"hash/fnv"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
	v1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/component-base/version"
	internalapi "k8s.io/cri-api/pkg/apis"
	"k8s.io/klog/v2"

	"github.com/podling/podling/clock"
	"github.com/podling/podling/kubelet/cgroup"
	"github.com/podling/podling/kubelet/claim"
	"github.com/podling/podling/kubelet/dns"
	"github.com/podling/podling/kubelet/environment"
	"github.com/podling/podling/kubelet/eviction"
	"github.com/podling/podling/kubelet/handler"
	"github.com/podling/podling/kubelet/hook"
	"github.com/podling/podling/kubelet/image"
	"github.com/podling/podling/kubelet/logs"
	"github.com/podling/podling/kubelet/node"
	"github.com/podling/podling/kubelet/probe"
	"github.com/podling/podling/kubelet/report"
	"github.com/podling/podling/kubelet/server"
	"github.com/podling/podling/kubelet/shutdown"
	"github.com/podling/podling/kubelet/static"
	"github.com/podling/podling/kubelet/stats"
	"github.com/podling/podling/kubelet/userns"
	"github.com/podling/podling/kubelet/volume"
	"github.com/podling/podling/kubelet/watch"
	"github.com/podling/podling/kubelet/worker"
	"github.com/podling/podling/lifecycle"
	"github.com/podling/podling/runtime/fault"
)

// Config is what a node needs to be one.
type Config struct {
	NodeName string
	NodeIP   net.IP
	RootDir  string       // pod folders; made 0700
	LogDir   string       // container logs
	Client   *rest.Config // the node's identity
	Runtime  internalapi.RuntimeService
	Images   internalapi.ImageManagerService

	Listen      string // the node's own port; port 0: the kernel picks
	ServingCert tls.Certificate
	Renewed     func() *tls.Certificate // as soon as it gives one, shown in place of ServingCert; may be nil
	ClientCAs   *x509.CertPool          // who may call the node

	// PodManifestPath is the folder of the static pods' manifests, or a single
	// one, as an absolute path; "" for none.
	PodManifestPath string

	Labels        map[string]string // extra node labels
	Taints        []v1.Taint        // of a node that is new to the API server
	Annotations   map[string]string // extra annotations of the node
	ClusterDNS    []string
	ClusterDomain string // "cluster.local" if empty

	NodeGrace time.Duration // that it may be silent before it counts as gone; upstream's 50 s if 0

	MaxPods  int             // at once; 110 if 0
	Reserved v1.ResourceList // of the machine, for programs that are no pods: cpu, memory, ephemeral-storage
	Eviction eviction.Config // when the node is short of something, and evicts pods

	ImageGC image.Policy // when images that nobody uses are removed; upstream's if zero

	Shutdown shutdown.Periods // that pods have before the machine goes down; none: that is not watched for

	Decided worker.Decided // if set, is told of each decision about a pod
}

// DefaultMaxPods is how many pods a node has at most if nobody says otherwise.
const DefaultMaxPods = 110

// Kubelet is one node.
type Kubelet struct {
	config   Config
	client   kubernetes.Interface
	server   *server.Server
	pods     *watch.Pods
	statics  *static.Folder // nil without static pods
	desk     *desk
	node     *node.Node
	shared   *worker.Node
	cgroups  *cgroup.Manager
	evictor  *eviction.Manager
	ending   *shutdown.Manager
	images   *image.Collector
	recorder *recorder
}

// New prepares the node: its folders, its port, its clients. Nothing runs yet.
func New(cfg Config) (*Kubelet, error) {
	if cfg.ClusterDomain == "" {
		cfg.ClusterDomain = "cluster.local"
	}
	if cfg.MaxPods == 0 {
		cfg.MaxPods = DefaultMaxPods
	}
	if cfg.ImageGC == (image.Policy{}) {
		cfg.ImageGC = image.DefaultPolicy
	}
	for _, dir := range []string{cfg.RootDir, cfg.LogDir} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("the node's folder %s cannot be made: %w", dir, err)
		}
	}
	clk := clock.Real{}
	faults := fault.New(clk)
	reach := rest.CopyConfig(cfg.Client)
	reach.Wrap(func(way http.RoundTripper) http.RoundTripper { return faults.Transport(way, cfg.NodeName) })
	client, err := kubernetes.NewForConfig(reach)
	if err != nil {
		return nil, fmt.Errorf("client of node %s: %w", cfg.NodeName, err)
	}
	// A call that hangs by a fault takes up no slot: other pods must not suffer.
	cfg.Runtime, cfg.Images = faults.Runtime(worker.Slotted(cfg.Runtime), cfg.NodeName), faults.Images(cfg.Images, cfg.NodeName)
	k := &Kubelet{config: cfg, client: client}
	k.recorder = newRecorder(client, cfg.NodeName)
	runtime, err := cfg.Runtime.Version(context.Background(), "0.1.0")
	if err != nil {
		return nil, fmt.Errorf("the container runtime of node %s does not answer: %w", cfg.NodeName, err)
	}
	k.shared = &worker.Node{
		Name: cfg.NodeName, HostIPs: []string{cfg.NodeIP.String()}, Since: clk.Now(), RuntimeName: runtime.GetRuntimeName(), RootDir: cfg.RootDir, LogDir: cfg.LogDir,
		Runtime: cfg.Runtime, Images: image.New(cfg.Images, clk), Clock: clk, Faults: faults,
		Volumes:    volume.New(cfg.RootDir, client, cfg.NodeName, func() *v1.Node { return k.node.Known() }, k.recorder),
		ClusterDNS: cfg.ClusterDNS, ClusterDomain: cfg.ClusterDomain, ResolvConf: "/etc/resolv.conf",
		Probers:     probe.New(cfg.Runtime, k.recorder.lifecycle),
		Claims:      claim.New(client),
		Hooks:       hook.New(cfg.Runtime, clk, k.recorder.lifecycle),
		PullSecrets: pullSecrets{client, k.recorder}.of, Event: k.recorder.lifecycle, Decided: cfg.Decided,
		CRIFailed: func(err error) { k.node.RuntimeFailed(err) },
		Handlers:  handler.New(client, func() []v1.NodeRuntimeHandler { return k.node.Handlers() }),
	}
	if k.shared.Users, err = userns.New(cfg.RootDir, cfg.MaxPods, k.shared.Handlers.UserNamespaces); err != nil {
		return nil, err
	}
	if k.cgroups, err = cgroup.New(cgroupRoot(cfg.RootDir)); err != nil {
		return nil, err
	}
	k.shared.Cgroups = k.cgroups
	if missing := k.cgroups.Missing(); len(missing) > 0 {
		klog.Background().Info("This machine limits nothing by these cgroup controllers: what pods ask of them is not enforced", "controllers", missing)
	}
	if k.shared.Memory, err = memory(); err != nil {
		return nil, err
	}
	if err := k.bound(); err != nil {
		return nil, err
	}
	k.desk = newDesk(k.shared, func() *v1.Node { return k.node.Known() })
	if k.pods, err = watch.NewPods(client, cfg.NodeName, k.desk.pod); err != nil {
		return nil, fmt.Errorf("watching the pods of node %s: %w", cfg.NodeName, err)
	}
	meter := stats.NewMeter(cfg.Images, cfg.RootDir)
	k.evictor, err = eviction.New(cfg.Eviction, eviction.Node{
		Machine: meter.Machine, Usage: k.places().Pods,
		Pods: k.desk.active, Evict: k.desk.evict, Reclaim: k.reclaim, Event: k.warn,
		Short: func(of []v1.NodeConditionType) { k.node.Short(of) }, Clock: clk,
	})
	if err != nil {
		return nil, fmt.Errorf("node %s: %w", cfg.NodeName, err)
	}
	k.images = image.NewCollector(k.shared.Images, cfg.Runtime, cfg.ImageGC, imagesDisk(meter), func(reason, message string) { k.warn(nil, nil, reason, message) })
	k.ending, err = shutdown.New(cfg.Shutdown, shutdown.Node{
		Pods: k.desk.active, Evict: k.desk.evict, Clock: clk, Ending: func(is bool) { k.node.Ending(is) },
		Event: func(reason, message string) { k.node.Event(v1.EventTypeNormal, reason, message) },
	})
	if err != nil {
		return nil, fmt.Errorf("node %s: %w", cfg.NodeName, err)
	}
	k.desk.unfit = func(pod *v1.Pod) *lifecycle.Rejection {
		if no := k.evictor.Admit(pod); no != nil {
			return no
		}
		return k.ending.Admit(pod)
	}
	if cfg.PodManifestPath != "" {
		k.statics = static.NewFolder(cfg.PodManifestPath, cfg.NodeName, k.desk.manifests, k.badManifest)
	}
	k.server, err = server.Listen(server.Config{
		Listen: cfg.Listen, Cert: cfg.ServingCert, Renewed: cfg.Renewed, ClientCAs: cfg.ClientCAs, Client: client, NodeName: cfg.NodeName,
		Runtime: func(*v1.Pod) internalapi.RuntimeService { return cfg.Runtime },
		Pods:    k.desk.pods, Faults: faults, Probes: k.shared.Probers.Metrics(), Configuration: cfg.configuration(),
		Summary: stats.Summary{Node: cfg.NodeName, Since: clk.Now(), Meter: meter, Places: k.places(), Active: k.desk.pods},
	})
	if err != nil {
		return nil, err
	}
	k.node = node.New(node.Config{
		Name: cfg.NodeName, IPs: []net.IP{cfg.NodeIP}, Labels: cfg.Labels, Taints: cfg.Taints, Annotations: cfg.Annotations, Client: client, Runtime: cfg.Runtime, Images: cfg.Images,
		Port: k.server.Port, RootDir: cfg.RootDir, Grace: cfg.NodeGrace, Version: version.Get().GitVersion, MaxPods: cfg.MaxPods,
		Reserved: k.reserved, State: k.desk.runtime, Recorder: k.recorder.EventRecorder,
	})
	return k, nil
}

// places say where what is measured of a pod is.
func (k *Kubelet) places() stats.Places {
	return stats.Places{
		Runtime: k.shared.Runtime, PodUID: worker.LabelPodUID, Logs: k.shared.PodLogs,
		Hosts:   func(pod *v1.Pod) string { return dns.HostsPath(k.shared.PodDir(pod)) },
		Volumes: k.shared.Volumes.Folders, Memory: k.cgroups.Memory, Processes: k.cgroups.Processes,
	}
}

// apiPatience is how long static pods wait for an API server that would say what
// was last known of them.
const apiPatience = 2 * time.Second

// relistEvery is how often everything is compared with the runtime, should an
// event have been missed.
const relistEvery = 30 * time.Second

// Run is the node's life. It returns when ctx ends, or when a part of the node
// fails that it cannot do without; containers go on running.
func (k *Kubelet) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	context.AfterFunc(ctx, k.shared.Faults.Clear) // or the end would wait for calls that hang
	k.recorder.start(ctx)
	defer k.recorder.stop()
	k.shared.Reporter = report.New(ctx, k.client, clock.Real{}, k.node.Object)
	var err error
	if k.shared.Environment, err = environment.New(ctx, k.client, k.node.Known); err != nil {
		return err
	}
	must := func(name string, run func(context.Context) error) {
		if err := run(ctx); err != nil && ctx.Err() == nil {
			cancel(fmt.Errorf("%s: %w", name, err))
		}
	}
	if err := k.evictor.Measure(ctx); err != nil { // the node's first status says whether it is short of something
		return err
	}
	go must("the node's port", k.server.Serve)
	go must("the node object", k.node.Run)
	go k.shared.Volumes.Run(ctx)
	go logs.New(k.config.LogDir, k.config.Runtime, logs.Of{PodUID: worker.LabelPodUID, Container: worker.LabelContainerName}).Run(ctx)
	go k.pods.Run(ctx)
	go k.evictor.Run(ctx)
	go k.ending.Run(ctx)
	go k.images.Run(ctx)
	go k.desk.tidy(ctx)
	look := make(chan struct{}, 1)
	again := func() {
		select {
		case look <- struct{}{}:
		default:
		}
	}
	go watch.Runtime(ctx, k.config.Runtime, k.desk.event, again, k.node.RuntimeFailed)
	var taking sync.WaitGroup
	taking.Go(func() { k.takePods(ctx, again) })
	k.desk.relist(ctx, look, relistEvery)
	taking.Wait()
	k.desk.wait()
	return cause(ctx)
}

// takePods begins the work: with the static pods, should there be no API server,
// and with what that says once it does. Then again is called.
func (k *Kubelet) takePods(ctx context.Context, again func()) {
	if k.statics != nil {
		k.statics.Read(time.Now())
		soon, cancel := context.WithTimeout(ctx, apiPatience)
		_ = k.pods.Synced(soon) && k.node.Registered(soon) // if not, they are taken by what the node knows itself
		cancel()
		go k.statics.Run(ctx)
	}
	has, _, err := k.desk.inRuntime(ctx)
	if err != nil {
		k.node.RuntimeFailed(err)
	}
	k.desk.begin(ctx, has)
	if k.pods.Synced(ctx) && k.node.Registered(ctx) { // whose labels and taints pods were bound by
		k.desk.open()
		again()
	}
}

// badManifest says where people look what is wrong with a static pod's manifest.
func (k *Kubelet) badManifest(problem error) {
	klog.Background().Error(problem, "A static pod's manifest")
	k.node.Event(v1.EventTypeWarning, "FailedValidation", problem.Error())
}

// lastWords is how long the API server has to take what became of pods that were ended with the node.
const lastWords = 5 * time.Second

// Shutdown ends the node's pods in order, as before its machine goes down, and has it take no more
// (kubelet/shutdown). It returns when they are gone or have had their time, and the API server was told,
// or when ctx ends. Run has to go on meanwhile.
func (k *Kubelet) Shutdown(ctx context.Context) {
	k.ending.Shutdown(ctx)
	soon, cancel := context.WithTimeout(ctx, lastWords)
	defer cancel()
	if !k.shared.Reporter.Flush(soon) {
		klog.FromContext(ctx).Info("The API server was not told how all pods ended")
	}
}

// RemoveCgroups removes what a node that has ended leaves in the cgroup file
// systems. To be called once its containers are gone.
func (k *Kubelet) RemoveCgroups() error { return k.cgroups.RemoveAll() }

// cause is why the node ended; nil if it was told to.
func cause(ctx context.Context) error {
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// cgroupRoot is where the node's pods have their cgroups: a place of its own,
// for there may be several nodes on one machine.
func cgroupRoot(dir string) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(dir)) // never fails
	return fmt.Sprintf("/podling-%08x", h.Sum32())
}

// memory is what the machine has, in bytes.
func memory() (int64, error) {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return 0, fmt.Errorf("how much memory the machine has: %w", err)
	}
	return int64(info.Totalram) * int64(info.Unit), nil
}
