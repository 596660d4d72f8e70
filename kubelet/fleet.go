package kubelet

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/flowcontrol"
	internalapi "k8s.io/cri-api/pkg/apis"

	"github.com/podling/podling/clock"
	"github.com/podling/podling/kubelet/claim"
	"github.com/podling/podling/kubelet/environment"
	"github.com/podling/podling/kubelet/node"
	"github.com/podling/podling/kubelet/reference"
	"github.com/podling/podling/kubelet/report"
	"github.com/podling/podling/kubelet/server"
	"github.com/podling/podling/kubelet/watch"
	"github.com/podling/podling/kubelet/worker"
	"github.com/podling/podling/runtime/fault"
	"github.com/podling/podling/runtime/sim/script"
)

// FleetConfig is what simulated nodes need to be some.
type FleetConfig struct {
	// Nodes are the nodes' names, labels, annotations, taints and capacities.
	Nodes   []*v1.Node
	NodeIP  net.IP
	RootDir string       // pods' folders, where a pod writes any
	LogDir  string       // container logs, likewise
	Client  *rest.Config // may write the nodes, their pods and leases
	// Clock is the pods'; the nodes' leases and conditions go by the machine's.
	Clock clock.Clock
	// Profiles say what the pods do.
	Profiles []script.Profile

	Listen      string // the port of all nodes; port 0: the kernel picks
	ServingCert tls.Certificate
	ClientCAs   *x509.CertPool // who may call the nodes

	// NodeGrace is how long a node may be silent before it counts as gone; 0 is upstream's 50 s.
	NodeGrace time.Duration

	MaxPods int // at once, on each node that does not say; 110 if 0
	// Events bounds how many Events about pods all nodes together write; what is too much is not
	// written, nor is any while many statuses wait to be. Nil: no bound.
	Events flowcontrol.PassiveRateLimiter

	Decided worker.Decided // if set, is told of each decision about a pod
}

const (
	// writers is how many pods' statuses are written at one time: enough to keep an API server of some
	// cores busy, few enough not to crowd out those who make pods.
	writers = 8
	// crowd is how many pods that wait for it are many.
	crowd = 16
	// moves is how many pods that begin or end are a crowd in a second, and movesAtOnce at once: that many
	// requests upstream's kubelet makes at all (kubeAPIQPS and kubeAPIBurst).
	moves       = 50
	movesAtOnce = 100
	// fleetStreams is how many streams may be open on all nodes together: there is no process behind any.
	fleetStreams = 10000
)

// Fleet is the simulated nodes of one process. Each is a node with workers, as a real one is; what
// they share is one watch of all pods and one of all nodes, one port, one set of faults, one way to
// write Events.
//
//	watch of all pods ──▶ berth (a node) ──▶ desk ──▶ workers ──▶ runtime/sim
//	                       └─ keeper: leases and Nodes of all
type Fleet struct {
	config   FleetConfig
	client   kubernetes.Interface
	faults   *fault.Faults
	profiles *profiles
	recorder *recorder
	pods     *watch.Pods
	server   *server.Server
	keeper   *node.Keeper
	reader   *reference.Reader
	claims   *claim.Claims
	turns    *report.Turns

	environment *environment.Maker // of no node; each has one For itself
	berths      map[string]*berth
	order       []*berth // as they were configured
	podBits     int      // see FleetConfig.podBits
}

// afterStatuses has no Events written while there is a crowd of pods whose statuses are to be.
type afterStatuses struct {
	flowcontrol.PassiveRateLimiter
	turns *report.Turns
}

// TryAccept says whether an Event may be written now.
func (a afterStatuses) TryAccept() bool {
	return !a.turns.Crowded() && a.PassiveRateLimiter.TryAccept()
}

// NewFleet prepares the nodes. Nothing runs yet.
func NewFleet(cfg FleetConfig) (*Fleet, error) {
	if cfg.MaxPods == 0 {
		cfg.MaxPods = DefaultMaxPods
	}
	f := &Fleet{config: cfg, faults: fault.New(cfg.Clock), podBits: cfg.podBits(), turns: report.NewTurns(writers, crowd, moves, movesAtOnce), berths: map[string]*berth{}}
	reach := rest.CopyConfig(cfg.Client)
	reach.Wrap(func(way http.RoundTripper) http.RoundTripper { return f.faults.Transport(way, "") })
	var err error
	if f.client, err = kubernetes.NewForConfig(reach); err != nil {
		return nil, fmt.Errorf("client of the simulated nodes: %w", err)
	}
	f.recorder = newRecorder(f.client, "")
	if cfg.Events != nil {
		f.recorder.allowed = afterStatuses{cfg.Events, f.turns}
	}
	f.reader = reference.New(f.client).Remembering()
	f.claims = claim.New(f.client)
	f.keeper = node.NewKeeper(f.client, cfg.RootDir, cfg.NodeGrace, func(name string) bool {
		cut, _, _ := f.faults.Cut(name)
		return cut
	})
	f.profiles = newProfiles(cfg.Profiles, f.setProfiles)
	if f.pods, err = watch.NewPods(f.client, "", f.dispatch); err != nil {
		return nil, fmt.Errorf("watching pods: %w", err)
	}
	virtual, _ := cfg.Clock.(*clock.Virtual)
	f.server, err = server.Listen(server.Config{
		Listen: cfg.Listen, Cert: cfg.ServingCert, ClientCAs: cfg.ClientCAs, Client: f.client,
		Runtime: f.runtimeOf, Pods: f.allPods, Faults: f.faults, Clock: virtual, Profiles: f.profiles,
		MaxStreams: fleetStreams,
	})
	if err != nil {
		return nil, err
	}
	for i, n := range cfg.Nodes {
		b, err := f.newBerth(i, n)
		if err != nil {
			return nil, err
		}
		f.berths[n.Name] = b
		f.order = append(f.order, b)
	}
	return f, nil
}

// Run is the nodes' life. It returns when ctx ends, or when a part fails that they cannot do without.
// What the containers were is gone then.
func (f *Fleet) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	context.AfterFunc(ctx, f.faults.Clear) // or the end would wait for calls that hang
	f.recorder.start(ctx)
	defer f.recorder.stop()
	var err error
	if f.environment, err = environment.New(ctx, f.client, nil); err != nil {
		return err
	}
	go func() {
		if err := f.server.Serve(ctx); err != nil && ctx.Err() == nil {
			cancel(fmt.Errorf("the nodes' port: %w", err))
		}
	}()
	go f.pods.Run(ctx)
	go f.keeper.Run(ctx)
	go f.followFaults(ctx)
	if v, ok := f.config.Clock.(*clock.Virtual); ok {
		go v.Run(ctx)
	}
	var nodes sync.WaitGroup
	for _, b := range f.order {
		nodes.Go(func() {
			if err := b.run(ctx); err != nil && ctx.Err() == nil {
				cancel(fmt.Errorf("node %s: %w", b.name, err))
			}
		})
	}
	nodes.Wait()
	return cause(ctx)
}

// dispatch hands a pod to the node that it is bound to, if it is one of these.
func (f *Fleet) dispatch(pod *v1.Pod, gone bool) {
	if b := f.berths[pod.Spec.NodeName]; b != nil {
		b.pod(pod, gone)
	}
}

// followFaults has nodes look again whenever the faults change: at their runtimes, and at what they
// have missed while they were cut off.
func (f *Fleet) followFaults(ctx context.Context) {
	for {
		changed := f.faults.Changed()
		for _, b := range f.order {
			b.faultsChanged()
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

func (f *Fleet) runtimeOf(pod *v1.Pod) internalapi.RuntimeService {
	return f.berths[pod.Spec.NodeName].shared.Runtime // the server asks about pods that allPods gave it
}

func (f *Fleet) allPods() []*v1.Pod {
	var out []*v1.Pod
	for _, b := range f.order {
		out = append(out, b.desk.pods()...)
	}
	return out
}

func (f *Fleet) setProfiles(profiles []script.Profile) {
	for _, b := range f.order {
		b.sim.SetProfiles(profiles)
	}
}
