package cluster

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/pflag"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/flowcontrol"

	"github.com/podling/podling/clock"
	"github.com/podling/podling/controlplane"
	"github.com/podling/podling/kubelet"
	"github.com/podling/podling/kubelet/worker"
	"github.com/podling/podling/runtime/sim/script"
)

// maxNodes is how many simulated nodes one process keeps at most: a lease each takes most of what a
// machine of a few cores can do by then.
const maxNodes = 10_000

// The clocks.
const (
	ClockReal    = "real"
	ClockVirtual = "virtual" // jumps to the next timer when nothing is under way
	ClockManual  = "manual"  // moves only when it is told to
)

// Simulated is what there is to say of simulated nodes.
type Simulated struct {
	// Profiles are files of SimProfiles, which say what pods do.
	Profiles []string
	// NodeFile is a file of Nodes, with labels, taints and capacities.
	NodeFile string
	// Clock is one of the constants above. Default: real.
	Clock string
	// EventQPS bounds how many Events about pods all nodes and the scheduler write in a second, with
	// bursts of EventBurst; 0 is no bound. The flags' defaults are those of upstream's kubelet.
	EventQPS   float32
	EventBurst int

	events flowcontrol.PassiveRateLimiter // by these two; nil: no bound
}

const (
	eventQPS   = 50
	eventBurst = 100

	// simulatedScore is the percentage of simulated nodes that the scheduler looks at for a pod: of a
	// thousand, a hundred that fit are as good as the 42 % that it looks at otherwise, and a fifth of
	// its work.
	simulatedScore = 10
)

func (s *Simulated) addFlags(fs *pflag.FlagSet) {
	if s.EventQPS == 0 {
		s.EventQPS, s.EventBurst = eventQPS, eventBurst
	}
	fs.StringArrayVar(&s.Profiles, "sim-profile", s.Profiles, "file of SimProfiles, which say what simulated pods do (docs/sim.md); may be repeated")
	fs.StringVar(&s.NodeFile, "node-file", s.NodeFile, "file of Node manifests, with the labels, taints and capacities of simulated nodes; annotation "+replicas+" makes many of one")
	fs.StringVar(&s.Clock, "clock", s.Clock, "what simulated pods go by: real, virtual (jumps to the next moment at which something happens when nothing is under way) or manual (moves by podling clock advance) (default: real)")
	fs.Float32Var(&s.EventQPS, "event-qps", s.EventQPS, "how many Events about pods all simulated nodes and the scheduler together write in a second, warnings of the scheduler apart; 0: all there are")
	fs.IntVar(&s.EventBurst, "event-burst", s.EventBurst, "how many Events they may write at once, after a while without")
}

// said is the first flag that says something of simulated nodes.
func (s Simulated) said() string {
	switch {
	case len(s.Profiles) > 0:
		return "--sim-profile " + s.Profiles[0]
	case s.NodeFile != "":
		return "--node-file " + s.NodeFile
	}
	return "--clock " + s.Clock
}

func (s Simulated) empty() bool {
	return len(s.Profiles) == 0 && s.NodeFile == "" && (s.Clock == "" || s.Clock == ClockReal)
}

// checkSim refuses what makes no sense with simulated nodes.
func (o *Options) checkSim() error {
	for _, real := range []struct {
		flag string
		set  bool
	}{
		{"--node-labels", len(o.Labels) > 0}, {"--register-with-taints", len(o.Taints) > 0},
		{"--cri", o.CRI != ""}, {"--image", len(o.Images) > 0}, {"--registry-mirror", len(o.RegistryMirrors) > 0}, {"--pod-manifest-path", o.PodManifestPath != ""},
		{"--system-reserved", len(o.SystemReserved) > 0}, {"--kube-reserved", len(o.KubeReserved) > 0},
		{"--shutdown-grace-period", o.Shutdown.Grace > 0}, {"--shutdown-grace-period-by-pod-priority", len(o.Shutdown.ByPriority) > 0},
	} {
		if real.set {
			return fmt.Errorf("--runtime sim has no real containers, so it does not go with %s", real.flag)
		}
	}
	s := o.Simulated
	switch {
	case !slices.Contains([]string{"", ClockReal, ClockVirtual, ClockManual}, s.Clock):
		return fmt.Errorf("--clock %q is not known: it is %s, %s or %s", s.Clock, ClockReal, ClockVirtual, ClockManual)
	case s.EventQPS < 0:
		return fmt.Errorf("--event-qps %v: there cannot be fewer Events than none", s.EventQPS)
	case s.EventBurst < 0:
		return fmt.Errorf("--event-burst %d: there cannot be fewer Events than none", s.EventBurst)
	case s.NodeFile != "" && o.Nodes > 0:
		return errors.New("--node-file says how many nodes there are, so it does not go with --nodes")
	}
	_, err := s.profiles()
	if err != nil {
		return err
	}
	_, err = o.simulatedNodes()
	return err
}

// profiles reads the files.
func (s Simulated) profiles() ([]script.Profile, error) {
	var out []script.Profile
	var errs []error
	files := map[string]string{} // by the profiles' names
	for _, name := range s.Profiles {
		data, err := os.ReadFile(name)
		if err != nil {
			errs = append(errs, fmt.Errorf("--sim-profile: %w", err))
			continue
		}
		profiles, err := script.ParseProfiles(name, data)
		errs = append(errs, err)
		for _, p := range profiles {
			if other, twice := files[p.Name]; twice {
				errs = append(errs, fmt.Errorf("%s: metadata.name %q: there is a profile of that name in %s", name, p.Name, other))
			}
			files[p.Name] = name
		}
		out = append(out, profiles...)
	}
	return out, errors.Join(errs...)
}

// simulatedNodes are the nodes that are to be.
func (o *Options) simulatedNodes() ([]*corev1.Node, error) {
	if o.Simulated.NodeFile != "" {
		return readNodes(o.Simulated.NodeFile)
	}
	if o.Nodes <= 1 {
		return []*corev1.Node{{ObjectMeta: metav1.ObjectMeta{Name: o.NodeName}}}, nil
	}
	return numbered(&corev1.Node{}, o.NodeName+"-", o.Nodes), nil
}

// numbered are so many nodes like one, with numbers behind the name.
func numbered(like *corev1.Node, name string, n int) []*corev1.Node {
	out := make([]*corev1.Node, n)
	for i := range out {
		out[i] = like.DeepCopy()
		out[i].GenerateName, out[i].Name = "", fmt.Sprint(name, i)
	}
	return out
}

// startFleet starts simulated nodes.
func startFleet(identity controlplane.NodeIdentity, o Options, dir string, decided worker.Decided) (*nodes, error) {
	profiles, err := o.Simulated.profiles()
	if err != nil {
		return nil, err
	}
	list, err := o.simulatedNodes()
	if err != nil {
		return nil, err
	}
	config := kubelet.FleetConfig{
		Nodes: list, NodeIP: controlplane.HostIP(), RootDir: filepath.Join(dir, "kubelet"), LogDir: filepath.Join(dir, "log", "pods"),
		Client: identity.Config, Clock: clock.Real{}, Profiles: profiles, ServingCert: identity.ServingCert, ClientCAs: identity.ClientCAs,
		NodeGrace: o.NodeMonitorGracePeriod, MaxPods: o.MaxPods, Events: o.Simulated.events,
		Decided: decided,
	}
	if o.Simulated.Clock == ClockVirtual || o.Simulated.Clock == ClockManual {
		v := clock.NewVirtual(time.Now())
		if o.Simulated.Clock == ClockVirtual {
			v.Resume()
		}
		config.Clock = v
	}
	if err := os.MkdirAll(config.RootDir, 0o700); err != nil {
		return nil, fmt.Errorf("the nodes' folder: %w", err)
	}
	fleet, err := onNodePort(func(address string) (*kubelet.Fleet, error) {
		config.Listen = address
		return kubelet.NewFleet(config)
	})
	if err != nil {
		return nil, fmt.Errorf("simulated nodes: %w", err)
	}
	if len(list) > 1 {
		if err := collectSeldom(); err != nil {
			return nil, err
		}
	}
	var names []string
	for _, n := range list {
		names = append(names, n.Name)
	}
	nothing := func() error { return nil }
	return runNodes(names, fleet.Run, nothing), nil
}
