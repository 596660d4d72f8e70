package kubelet

import (
	"context"
	"encoding/binary"
	"math/bits"
	"net"
	"net/netip"
	"path/filepath"
	"sync"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/component-base/version"

	"github.com/podling/podling/kubelet/handler"
	"github.com/podling/podling/kubelet/hook"
	"github.com/podling/podling/kubelet/image"
	"github.com/podling/podling/kubelet/node"
	"github.com/podling/podling/kubelet/probe"
	"github.com/podling/podling/kubelet/report"
	"github.com/podling/podling/kubelet/userns"
	"github.com/podling/podling/kubelet/volume"
	"github.com/podling/podling/kubelet/worker"
	"github.com/podling/podling/lifecycle"
	"github.com/podling/podling/runtime/fault"
	"github.com/podling/podling/runtime/sim"
)

// berth is one node of a fleet.
type berth struct {
	fleet  *Fleet
	name   string
	node   *node.Node
	desk   *desk
	shared *worker.Node
	sim    *sim.Runtime

	mu     sync.Mutex
	cut    bool // off from the API server: what that says does not arrive
	missed bool // something that did not
}

// noCgroups: what only exists in memory is limited by nothing.
type noCgroups struct{}

func (noCgroups) Ensure(*v1.Pod) (string, error)           { return "", nil }
func (noCgroups) Remove(types.UID) error                   { return nil }
func (noCgroups) Orphans(func(types.UID) bool) []types.UID { return nil }

// newBerth prepares the i-th node.
func (f *Fleet) newBerth(i int, of *v1.Node) (*berth, error) {
	cfg := f.config
	b := &berth{fleet: f, name: of.Name}
	b.sim = sim.New(sim.Config{Clock: cfg.Clock, Node: of.Name, PodCIDR: podCIDR(i, f.podBits), Profiles: cfg.Profiles,
		Contents: func(path string) map[string][]byte { return b.shared.Volumes.Contents(path) }})
	recorder := f.recorder.on(of.Name)
	root := filepath.Join(cfg.RootDir, of.Name)
	known := func() *v1.Node { return b.node.Known() }
	runtime, images := f.faults.Runtime(b.sim, of.Name), f.faults.Images(b.sim, of.Name)
	b.shared = &worker.Node{
		Simulated: true, Name: of.Name, HostIPs: []string{cfg.NodeIP.String()}, Since: cfg.Clock.Now(), RuntimeName: sim.Name,
		RootDir: root, LogDir: filepath.Join(cfg.LogDir, of.Name),
		Runtime: runtime, Images: image.New(images, cfg.Clock), Clock: cfg.Clock, Faults: f.faults,
		Volumes: volume.NewSimulated(root, f.client, f.reader, of.Name, known, recorder, b.sim.LeadsOut), Cgroups: noCgroups{},
		ClusterDomain: "cluster.local", ResolvConf: "/etc/resolv.conf",
		Probers: probe.NewSimulated(runtime, b.sim, recorder.lifecycle), Hooks: hook.NewSimulated(runtime, b.sim, cfg.Clock, recorder.lifecycle),
		Claims: f.claims, Event: recorder.lifecycle, Decided: cfg.Decided,
		CRIFailed: func(err error) { b.node.RuntimeFailed(err) },
		Handlers:  handler.New(f.client, func() []v1.NodeRuntimeHandler { return b.node.Handlers() }),
	}
	b.shared.PullSecrets = pullSecrets{f.client, recorder}.of
	maxPods := cfg.maxPods(of)
	var err error
	if b.shared.Users, err = userns.New(root, maxPods, b.shared.Handlers.UserNamespaces); err != nil {
		return nil, err
	}
	if b.shared.Memory, err = memory(); err != nil {
		return nil, err
	}
	b.desk = newDesk(b.shared, known)
	b.desk.unfit = func(*v1.Pod) *lifecycle.Rejection { return nil }
	b.node = node.New(node.Config{
		Name: of.Name, IPs: []net.IP{cfg.NodeIP}, Labels: of.Labels, Annotations: of.Annotations, Taints: of.Spec.Taints, Capacity: of.Status.Capacity,
		Client: f.client, Runtime: runtime, Images: images, Port: f.server.Port, RootDir: root,
		Version: version.Get().GitVersion, MaxPods: maxPods, State: b.desk.runtime, Recorder: recorder.EventRecorder, Keeper: f.keeper,
	})
	return b, nil
}

// maxPods is how many pods a node takes at once.
func (cfg FleetConfig) maxPods(of *v1.Node) int {
	if pods, said := of.Status.Capacity[v1.ResourcePods]; said {
		return int(pods.Value())
	}
	return cfg.MaxPods
}

const (
	leastBits = 10 // of a pod's address in its node's range
	allBits   = 24 // of addresses for pods, of all nodes
)

// podBits is how many bits of a pod's address are its own, in the range of its node: there are two
// addresses for each pod that a node takes, as those that end keep theirs until they are gone.
func (cfg FleetConfig) podBits() int {
	most := 1<<leastBits - 1
	for _, n := range cfg.Nodes {
		most = max(most, 2*min(cfg.maxPods(n), 1<<allBits))
	}
	return min(bits.Len(uint(most)), allBits)
}

// podCIDR is where the i-th node's pods have their addresses: a part of 10.0.0.0/8. Where there are more
// nodes than parts, some have the same.
func podCIDR(i, own int) netip.Prefix {
	parts := 1 << (allBits - own)
	var a [4]byte
	binary.BigEndian.PutUint32(a[:], 10<<24|uint32(i%parts)<<own)
	return netip.PrefixFrom(netip.AddrFrom4(a), 32-own)
}

// run is the node's life.
func (b *berth) run(ctx context.Context) error {
	ctx = fault.OnNode(ctx, b.name)
	b.shared.Environment = b.fleet.environment.For(b.node.Known)
	b.shared.Reporter = report.New(ctx, b.fleet.client, b.shared.Clock, b.node.Object).Taking(b.fleet.turns)
	var parts sync.WaitGroup
	parts.Go(func() { b.events(ctx) })
	b.desk.begin(ctx, nil) // the runtime is as new as the node
	parts.Go(func() {
		if b.fleet.pods.Synced(ctx) && b.node.Registered(ctx) {
			b.desk.open()
		}
	})
	err := b.node.Run(ctx)
	parts.Wait()
	b.desk.wait()
	return err
}

// events hands out what the runtime tells, for as long as it is up.
func (b *berth) events(ctx context.Context) {
	for ctx.Err() == nil {
		changed, down := b.fleet.faults.Down(b.name)
		if down == nil {
			up, end := context.WithCancel(ctx)
			go func() {
				defer end()
				b.untilDown(up)
			}()
			b.sim.Events(up, func() { b.lookAgain(ctx) }, b.desk.event)
			end()
			continue
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
}

// untilDown returns when the runtime is down, or ctx ends.
func (b *berth) untilDown(ctx context.Context) {
	for ctx.Err() == nil {
		changed, down := b.fleet.faults.Down(b.name)
		if down != nil {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
}

// lookAgain finds what was not told while the runtime was down.
func (b *berth) lookAgain(ctx context.Context) {
	if _, err := b.desk.compare(ctx); err != nil && ctx.Err() == nil {
		b.node.RuntimeFailed(err)
	}
}

// pod takes a pod from the API, unless the way from there is cut.
func (b *berth) pod(pod *v1.Pod, gone bool) {
	b.mu.Lock()
	if b.cut {
		b.missed = true
		b.mu.Unlock()
		return
	}
	b.mu.Unlock()
	b.desk.pod(pod, gone)
}

// faultsChanged looks whether the runtime is up, and the node is cut off; once it is not any more, it
// learns what it has missed.
func (b *berth) faultsChanged() {
	b.node.RuntimeFailed(nil)
	cut, _, _ := b.fleet.faults.Cut(b.name)
	b.mu.Lock()
	b.cut = cut
	missed := b.missed && !cut
	if missed {
		b.missed = false
	}
	b.mu.Unlock()
	if missed {
		b.desk.catchUp(b.fleet.pods.On(b.name))
	}
}
