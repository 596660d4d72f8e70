package cluster

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/util/flowcontrol"
	"k8s.io/klog/v2"

	"github.com/podling/podling/kubelet"
	"github.com/podling/podling/kubelet/eviction"
	"github.com/podling/podling/kubelet/image"
)

// The runtimes that a node's containers can run in.
const (
	RuntimeContainerd = "containerd" // a containerd of podling's own, or the one that Options.CRI names
	RuntimeSim        = "sim"        // containers that only exist in memory
	RuntimeNone       = "none"       // no node: the control plane alone
)

// Options say what is brought up. The zero value, completed by Up, is a node that runs containers.
type Options struct {
	// DataDir keeps everything. Default: /var/lib/podling for root, else podling in the user's data
	// folder ($XDG_DATA_HOME).
	DataDir string
	// Kubeconfig is where the administrator's kubeconfig is written. Default: DataDir/kubeconfig.
	Kubeconfig string
	// Runtime is one of the constants above. Default: containerd.
	Runtime string
	// CRI is the endpoint of a container runtime to be used in place of podling's own containerd.
	CRI string
	// Nodes is how many nodes there are; more than one have to be simulated. Default: 1, or as many as
	// NodeFile says.
	Nodes int
	// NodeName is what the node is called; several are called NAME-0, NAME-1 and so on. Default: the
	// host's name, and for several "node".
	NodeName string
	// Simulated is what there is to say of simulated nodes.
	Simulated Simulated
	// RegistryMirrors are HOST=URL: registries that are asked before the one that an image names.
	RegistryMirrors []string
	// Images are archives or folders of images, offered to the node as if from their registry.
	Images []string
	// PodManifestPath is a folder of static pods' manifests, which the node runs whatever the API
	// server says, or a single manifest. It may be made later.
	PodManifestPath string
	// Labels are the node's, beside those that every node has; Taints (KEY=VALUE:EFFECT) are those with
	// which a node registers that the API server does not know yet.
	Labels map[string]string
	Taints []string
	// EtcdServers are the URLs of an etcd to be used in place of the embedded one.
	EtcdServers []string
	// Listen is the API server's ADDR:PORT; port 0 is any that is free. Default: 127.0.0.1:0.
	Listen string
	// Ephemeral keeps everything in a temporary folder, and leaves nothing behind.
	Ephemeral bool
	// NodeMonitorGracePeriod is how long a node may be silent before it counts as gone. Default:
	// upstream's, 50 s.
	NodeMonitorGracePeriod time.Duration
	// MaxPods is how many pods the node takes at once. Default: 110.
	MaxPods int
	// Eviction says when the node is short of something and evicts pods. Default: upstream's.
	Eviction eviction.Config
	// Network is what there is to say of the network of a node whose containers are real.
	Network Network
	// SystemReserved and KubeReserved are what of the machine's cpu, memory and ephemeral-storage is not pods'.
	SystemReserved, KubeReserved map[string]string
	// ImageGC says when the node removes images that nobody uses. Default: upstream's.
	ImageGC image.Policy
	// Shutdown says how long pods have to end before the machine goes down. Default: that is not
	// watched for.
	Shutdown Shutdown
	// RecordDecisions is a file in which each decision about a pod is written down, with all that it was
	// made from; "" for none.
	RecordDecisions string
	// Verbosity is what upstream calls -v.
	Verbosity int
	// Lacks, if set, is told in a line each what this machine lacks, and what pods have to do without. It
	// may be called by several goroutines at once, and after the start.
	Lacks func(line string)
}

// lacks tells, and logs, what this machine lacks.
func (o *Options) lacks(line string) {
	klog.Warning(line)
	if o.Lacks != nil {
		o.Lacks(line)
	}
}

// AddFlags makes the options flags, with the values they have as defaults.
func (o *Options) AddFlags(fs *pflag.FlagSet) {
	o.AddFolderFlags(fs, "folder that keeps the cluster: objects, certificates, images, containers (default: /var/lib/podling for root, else $XDG_DATA_HOME/podling)")
	fs.StringVar(&o.Kubeconfig, "kubeconfig", o.Kubeconfig, "file to write the administrator's kubeconfig to (default: kubeconfig in the data folder)")
	o.AddNodesFlags(fs)
	o.AddMachineFlags(fs)
	fs.StringSliceVar(&o.EtcdServers, "etcd-servers", o.EtcdServers, "URLs of an etcd to use instead of the embedded one")
	fs.StringVar(&o.Listen, "listen", o.Listen, "ADDR:PORT for the API server; port 0: any that is free (default: 127.0.0.1:0)")
	fs.BoolVar(&o.Ephemeral, "ephemeral", o.Ephemeral, "keep everything in a temporary folder, do not wait for the disk, and leave nothing behind")
	fs.DurationVar(&o.NodeMonitorGracePeriod, "node-monitor-grace-period", o.NodeMonitorGracePeriod, "how long a node may be silent before it counts as gone, and its pods are tainted out of it (default: 50s)")
	fs.StringVar(&o.RecordDecisions, "record-decisions", o.RecordDecisions, "file in which to write down each decision about a pod, with all that it was made from, for podling replay --verify")
}

// AddFolderFlags makes flags of where things are kept, and of how much is logged there.
func (o *Options) AddFolderFlags(fs *pflag.FlagSet, usage string) {
	fs.StringVar(&o.DataDir, "data-dir", o.DataDir, usage)
	fs.IntVarP(&o.Verbosity, "v", "v", o.Verbosity, "how much goes to the log, as with Kubernetes' own -v")
}

// AddMachineFlags makes flags of what there is to say of a node whose containers are real.
func (o *Options) AddMachineFlags(fs *pflag.FlagSet) {
	fs.StringVar(&o.CRI, "cri", o.CRI, "use the container runtime at this CRI endpoint, like unix:///run/containerd/containerd.sock, instead of a containerd of podling's own")
	fs.StringArrayVar(&o.RegistryMirrors, "registry-mirror", o.RegistryMirrors, "HOST=URL: ask the registry at URL before HOST for HOST's images; may be repeated")
	fs.StringArrayVar(&o.Images, "image", o.Images, "an archive (OCI or docker) or layout folder whose images the node can pull; may be repeated")
	fs.StringVar(&o.PodManifestPath, "pod-manifest-path", o.PodManifestPath, "folder of manifests of static pods, which the node runs by itself, or a single manifest; files whose names begin with a dot are passed over")
	fs.StringToStringVar(&o.Labels, "node-labels", o.Labels, "labels that the node has beside its own, like zone=a,disk=ssd")
	fs.StringSliceVar(&o.Taints, "register-with-taints", o.Taints, "taints that the node has when it first registers, like dedicated=build:NoSchedule")
	o.addEvictionFlags(fs)
	o.Network.addFlags(fs)
	o.addReservedFlags(fs)
	o.addImageFlags(fs)
	o.Shutdown.addFlags(fs)
}

// AddNodesFlags makes flags of what there is to say of nodes that may be simulated.
func (o *Options) AddNodesFlags(fs *pflag.FlagSet) {
	fs.StringVar(&o.Runtime, "runtime", o.Runtime, "what runs containers: containerd, sim for containers that only exist in memory, or none for a control plane without a node (default: containerd for root, else sim)")
	fs.IntVar(&o.Nodes, "nodes", o.Nodes, "how many nodes; more than one are simulated (--runtime sim) (default: 1)")
	fs.StringVar(&o.NodeName, "node-name", o.NodeName, "the node's name (default: the host's); several are called NAME-0, NAME-1, ... (default: node-0, node-1, ...)")
	o.Simulated.addFlags(fs)
	if o.MaxPods == 0 {
		o.MaxPods = kubelet.DefaultMaxPods
	}
	fs.IntVar(&o.MaxPods, "max-pods", o.MaxPods, "how many pods a node takes at once")
}

// complete fills in what was not said and refuses what makes no sense, before anything is started.
func (o *Options) complete() error {
	if o.Runtime == "" {
		o.Runtime = RuntimeContainerd
		if os.Geteuid() != 0 {
			o.Runtime = RuntimeSim
		}
	}
	if err := errors.Join(o.checkRuntime(), o.checkAddresses(), o.checkNode(), o.Network.complete(o.Runtime)); err != nil {
		return err
	}
	if _, err := o.taints(); err != nil {
		return err
	}
	if err := o.checkLabels(); err != nil {
		return err
	}
	for _, image := range o.Images {
		if _, err := os.Stat(image); err != nil {
			return fmt.Errorf("--image: %w", err)
		}
	}
	if o.PodManifestPath != "" {
		path, err := filepath.Abs(o.PodManifestPath) // from wherever podling is started, it is the same pods
		if err != nil {
			return fmt.Errorf("--pod-manifest-path: %w", err)
		}
		o.PodManifestPath = path
	}
	if o.Ephemeral && o.DataDir != "" {
		return errors.New("--ephemeral keeps nothing, so it does not go with --data-dir: leave one of them out")
	}
	if o.Simulated.EventQPS > 0 {
		o.Simulated.events = flowcontrol.NewTokenBucketPassiveRateLimiter(o.Simulated.EventQPS, o.Simulated.EventBurst)
	}
	if o.DataDir == "" && !o.Ephemeral {
		dir, err := defaultDataDir()
		if err != nil {
			return err
		}
		o.DataDir = dir
	}
	if o.NodeName == "" && o.Nodes > 1 {
		o.NodeName = "node"
	}
	if o.NodeName == "" {
		host, err := os.Hostname()
		if err != nil {
			return fmt.Errorf("the host's name, for the node (say --node-name NAME): %w", err)
		}
		o.NodeName = strings.ToLower(host) // as upstream does (pkg/util/node.GetHostname)
	}
	if problems := validation.IsDNS1123Subdomain(o.NodeName); len(problems) > 0 {
		return fmt.Errorf("%q cannot name a node (%s): say --node-name NAME", o.NodeName, strings.Join(problems, "; "))
	}
	return nil
}

// checkRuntime refuses runtimes that are not known, not there yet, or not possible here.
func (o *Options) checkRuntime() error {
	switch {
	case o.Nodes < 0:
		return fmt.Errorf("--nodes %d: there cannot be fewer nodes than none", o.Nodes)
	case o.Nodes > maxNodes:
		return fmt.Errorf("--nodes %d: there can be at most %d in one process", o.Nodes, maxNodes)
	case o.Nodes > 1 && o.Runtime != RuntimeSim:
		return fmt.Errorf("--nodes %d: several nodes on one machine have to be simulated: say --runtime sim as well", o.Nodes)
	case o.Runtime != RuntimeSim && !o.Simulated.empty():
		return fmt.Errorf("%s is for simulated nodes: say --runtime sim as well", o.Simulated.said())
	}
	switch o.Runtime {
	case RuntimeNone:
		if o.CRI != "" {
			return errors.New("--runtime none has no node, so it does not go with --cri")
		}
		if o.PodManifestPath != "" {
			return errors.New("--runtime none has no node to run static pods, so it does not go with --pod-manifest-path")
		}
		if o.RecordDecisions != "" {
			return errors.New("--runtime none has no node that decides, so it does not go with --record-decisions")
		}
	case RuntimeSim:
		return o.checkSim()
	case RuntimeContainerd:
		if os.Geteuid() != 0 {
			return errors.New("running containers takes root: run this as root (sudo), or a control plane without a node with --runtime none")
		}
	default:
		return fmt.Errorf("--runtime %q is not known: it is containerd, sim or none", o.Runtime)
	}
	return nil
}

// checkAddresses refuses what cannot be asked or listened on.
func (o *Options) checkAddresses() error {
	for _, mirror := range o.RegistryMirrors {
		host, at, ok := strings.Cut(mirror, "=")
		if u, err := url.Parse(at); !ok || host == "" || err != nil || u.Host == "" {
			return fmt.Errorf("--registry-mirror %q is not HOST=URL, like docker.io=http://127.0.0.1:5000", mirror)
		}
	}
	for _, server := range o.EtcdServers {
		if u, err := url.Parse(server); err != nil || u.Scheme == "" {
			return fmt.Errorf("--etcd-servers %q is not a URL, like http://127.0.0.1:2379", server)
		}
	}
	if o.Listen == "" {
		return nil
	}
	host, _, err := net.SplitHostPort(o.Listen)
	if err != nil || (host != "" && net.ParseIP(host) == nil) {
		return fmt.Errorf("--listen %q is not ADDR:PORT, like 127.0.0.1:6443 or 0.0.0.0:0", o.Listen)
	}
	return nil
}

// mirrors are the registry mirrors by host; checkAddresses has seen them.
func (o *Options) mirrors() map[string]string {
	byHost := make(map[string]string, len(o.RegistryMirrors))
	for _, mirror := range o.RegistryMirrors {
		host, at, _ := strings.Cut(mirror, "=")
		byHost[host] = at
	}
	return byHost
}

// DefaultKubeconfig is where Up writes the kubeconfig if nobody says otherwise.
func DefaultKubeconfig() (string, error) {
	dir, err := defaultDataDir()
	if err != nil {
		return "", err
	}
	return kubeconfigIn(dir), nil
}

func kubeconfigIn(dir string) string { return filepath.Join(dir, "kubeconfig") }

// defaultDataDir is where data is kept if nobody says otherwise.
func defaultDataDir() (string, error) {
	if os.Geteuid() == 0 {
		return "/var/lib/podling", nil
	}
	if dir := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) { // others are to be ignored, says the XDG specification
		return filepath.Join(dir, "podling"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("no place for the data (say --data-dir DIR): %w", err)
	}
	return filepath.Join(home, ".local", "share", "podling"), nil
}
