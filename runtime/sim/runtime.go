// Package sim is a container runtime whose containers only exist in memory. It
// stands where containerd does, behind the CRI's Go interfaces, and passes the
// same tests (runtime/suite).
//
// What a container does is said, in this order, by the script in its pod's
// annotation, by the first profile that matches it (runtime/sim/script), and by
// its own command, which runtime/sim/shell runs as busybox would. A program that
// is not known and an image's own entrypoint run until they are stopped.
//
// Time is a clock's: scripts, grace periods and sleeps end when it says so. One
// process holds a thousand such runtimes, one for each node, and a container that
// waits for nothing but time is a timer.
package sim

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"strconv"
	"sync"
	"time"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/podling/podling/clock"
	"github.com/podling/podling/runtime/sim/script"
	"github.com/podling/podling/runtime/sim/shell"
)

// Name is what the runtime calls itself.
const Name = "sim"

// labelPodUID is the label by which all that belongs to a pod is found.
const labelPodUID = "io.kubernetes.pod.uid"

// Config is what a runtime is made of.
type Config struct {
	// Clock that scripts and sleeps go by; nil is the machine's.
	Clock clock.Clock
	// Node is the node's name: containers' IDs differ from node to node.
	Node string
	// Version that the runtime says it has.
	Version string
	// PodCIDR is where pods get their addresses from; the zero value is 10.88.0.0/16.
	PodCIDR netip.Prefix
	// Profiles say what pods do, and what the registries have.
	Profiles []script.Profile
	// Contents are the files of what is mounted into containers from a path that is
	// not on the node's disk, by their paths in it; nil: there are none.
	Contents func(hostPath string) map[string][]byte
	// Images are on the node from the start.
	Images []string
	// Memory and Disk that the node says it has, in bytes.
	Disk uint64
}

// Runtime is one node's.
type Runtime struct {
	cfg     Config
	clk     clock.Clock
	streams streams

	mu         sync.Mutex
	made       uint64 // sandboxes and containers so far
	sandboxes  map[string]*sandbox
	containers map[string]*container
	pods       map[string]*pod // by UID
	images     map[string]*image
	addresses  addresses
	listeners  []*listener
	profiles   []script.Profile
}

// pod is what belongs to one: it outlives its sandboxes, as its volumes do.
type pod struct {
	uid        string
	sandboxes  []*sandbox // the older ones first
	containers []*container
	volumes    *shell.Volumes
}

// New gives a runtime with nothing in it.
func New(cfg Config) *Runtime {
	if cfg.Clock == nil {
		cfg.Clock = clock.Real{}
	}
	if cfg.Version == "" {
		cfg.Version = "1.0.0"
	}
	if !cfg.PodCIDR.IsValid() {
		cfg.PodCIDR = netip.MustParsePrefix("10.88.0.0/16")
	}
	if cfg.Disk == 0 {
		cfg.Disk = 100 << 30
	}
	r := &Runtime{cfg: cfg, clk: cfg.Clock, sandboxes: map[string]*sandbox{}, containers: map[string]*container{}, pods: map[string]*pod{},
		images: map[string]*image{}, addresses: addresses{prefix: cfg.PodCIDR.Masked()}, profiles: cfg.Profiles}
	for _, name := range cfg.Images {
		if i, err := newImage(name); err == nil {
			r.images[i.id] = r.with(i)
		}
	}
	return r
}

// SetProfiles replaces the profiles. What was made before goes on as it does.
func (r *Runtime) SetProfiles(profiles []script.Profile) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.profiles = profiles
}

// id gives the next ID, 64 hex digits. Called with r.mu held.
func (r *Runtime) id() (string, uint64) {
	r.made++
	sum := sha256.Sum256([]byte(r.cfg.Node + "/" + strconv.FormatUint(r.made, 10)))
	return hex.EncodeToString(sum[:]), r.made
}

// now in the CRI's nanoseconds.
func (r *Runtime) now() int64 { return r.clk.Now().UnixNano() }

// delay lets d pass, or returns ctx's error. The caller has begun something.
func (r *Runtime) delay(ctx context.Context, d time.Duration) error {
	if d <= 0 || ctx.Err() != nil {
		return ctx.Err()
	}
	w := r.waiter(ctx, d)
	defer w.stop()
	for !w.over() && ctx.Err() == nil {
		w.wait()
	}
	return ctx.Err()
}

// Version is the CRI's.
func (r *Runtime) Version(context.Context, string) (*runtimeapi.VersionResponse, error) {
	return &runtimeapi.VersionResponse{Version: "0.1.0", RuntimeName: Name, RuntimeVersion: r.cfg.Version, RuntimeApiVersion: "v1"}, nil
}

// Status says that all is well, and what a containerd with runc can do.
func (r *Runtime) Status(context.Context, bool) (*runtimeapi.StatusResponse, error) {
	features := func() *runtimeapi.RuntimeHandlerFeatures {
		return &runtimeapi.RuntimeHandlerFeatures{RecursiveReadOnlyMounts: true, UserNamespaces: true}
	}
	return &runtimeapi.StatusResponse{
		Status: &runtimeapi.RuntimeStatus{Conditions: []*runtimeapi.RuntimeCondition{
			{Type: runtimeapi.RuntimeReady, Status: true},
			{Type: runtimeapi.NetworkReady, Status: true},
		}},
		RuntimeHandlers: []*runtimeapi.RuntimeHandler{{Features: features()}, {Name: "runc", Features: features()}},
		Features:        &runtimeapi.RuntimeFeatures{SupplementalGroupsPolicy: true},
	}, nil
}

// UpdateRuntimeConfig is the CRI's: the pods' addresses are given.
func (r *Runtime) UpdateRuntimeConfig(context.Context, *runtimeapi.RuntimeConfig) error { return nil }

// RuntimeConfig is the CRI's.
func (r *Runtime) RuntimeConfig(context.Context) (*runtimeapi.RuntimeConfigResponse, error) {
	return &runtimeapi.RuntimeConfigResponse{Linux: &runtimeapi.LinuxRuntimeConfiguration{CgroupDriver: runtimeapi.CgroupDriver_CGROUPFS}}, nil
}

// Close ends the streams that the runtime serves.
func (r *Runtime) Close(context.Context) error { return r.streams.close() }
