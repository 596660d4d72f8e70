package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"sync"

	"github.com/spf13/pflag"
	authorizationv1 "k8s.io/api/authorization/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"

	"github.com/podling/podling/controlplane"
	"github.com/podling/podling/kubelet/nameserver"
	"github.com/podling/podling/kubelet/proxy"
	"github.com/podling/podling/runtime/containerd"
)

// The ways to give Services addresses, in kube-proxy's words.
const (
	ProxyIPTables = "iptables"
	ProxyNone     = "none"
)

const (
	// clusterDomain is what the names of Services and pods end with.
	clusterDomain = "cluster.local"
	// noClusterDNS is what --cluster-dns says where pods have the machine's resolvers.
	noClusterDNS = "none"
	dnsPort      = 53
)

// Network is what there is to say of the network of a node whose containers are real.
type Network struct {
	// ProxyMode is how Services get their addresses: ProxyIPTables (the default) or ProxyNone.
	ProxyMode string
	// ClusterDNS are the addresses that pods ask for names. Default: the machine's own on the pods'
	// bridge, where podling answers; "none" alone is the machine's own resolvers.
	ClusterDNS []string
}

func (n *Network) addFlags(fs *pflag.FlagSet) {
	fs.StringVar(&n.ProxyMode, "proxy-mode", n.ProxyMode, "how Services get their addresses, where containers are real: iptables or none (default: iptables)")
	fs.StringSliceVar(&n.ClusterDNS, "cluster-dns", n.ClusterDNS, "addresses that pods ask for names, or none for the machine's own resolvers (default: podling's own DNS server, on the pods' bridge)")
}

// complete fills in what was not said and refuses what makes no sense.
func (n *Network) complete(runtime string) error {
	if runtime != RuntimeContainerd {
		if n.ProxyMode != "" || len(n.ClusterDNS) > 0 {
			return fmt.Errorf("--proxy-mode and --cluster-dns are for a node whose containers are real: leave them out with --runtime %s", runtime)
		}
		return nil
	}
	switch n.ProxyMode {
	case "":
		n.ProxyMode = ProxyIPTables
	case ProxyIPTables, ProxyNone:
	case "nftables":
		return errors.New("--proxy-mode nftables: upstream's has one table for the whole machine, which podlings on it would take from each other; iptables it is, whose rules are nftables' where the iptables command is iptables-nft")
	default:
		return fmt.Errorf("--proxy-mode %q is not known: it is iptables or none", n.ProxyMode)
	}
	for _, address := range n.ClusterDNS {
		if net.ParseIP(address) == nil && (address != noClusterDNS || len(n.ClusterDNS) > 1) {
			return fmt.Errorf("--cluster-dns %q is not an IP address, like 10.96.0.10, nor none alone", address)
		}
	}
	return nil
}

// resolvers are those that were said: none for the machine's own.
func (n *Network) resolvers() []string {
	if slices.Equal(n.ClusterDNS, []string{noClusterDNS}) {
		return nil
	}
	return n.ClusterDNS
}

// choosePodNetwork says what network the pods will hang on: none that is known in a runtime that is not ours.
func choosePodNetwork(o Options, dir string) (containerd.Network, error) {
	if o.Runtime != RuntimeContainerd || o.CRI != "" {
		return containerd.Network{}, nil
	}
	return containerd.ChooseNetwork(containerdDir(dir))
}

func containerdDir(dir string) string { return filepath.Join(dir, "containerd") }

// podAddress is where pods reach this machine: nil where Services lead nowhere.
func podAddress(o Options, network containerd.Network) net.IP {
	if network.Bridge() == "" || o.Network.ProxyMode != ProxyIPTables {
		return nil
	}
	return net.IP(network.Gateway().AsSlice())
}

// podNetwork gives Services addresses and names on a node whose containers are real.
type podNetwork struct {
	dns    []string // where pods ask for names; none: the machine's own resolvers
	cancel context.CancelFunc
	done   sync.WaitGroup

	proxy *proxy.Proxy // nil without; read after done
}

// startPodNetwork starts what this machine can do of it, and says of the rest why not. config is a client
// that may see Services and where they lead. It returns when it is known whom pods ask for names; the rest
// goes on beside the node's start.
func startPodNetwork(config *rest.Config, o Options, dir string, network containerd.Network) (*podNetwork, error) {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("client of the service proxy: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	n := &podNetwork{cancel: cancel, dns: o.Network.resolvers()}
	known := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithTransform(controlplane.DropManagedFields))
	if len(o.Network.ClusterDNS) == 0 && network.Bridge() != "" {
		n.startDNS(ctx, known, network.Gateway(), o.lacks)
	}
	if o.Network.ProxyMode == ProxyIPTables {
		n.done.Go(func() {
			n.runProxy(ctx, proxy.Config{NodeName: o.NodeName, NodeIP: controlplane.HostIP(), Dir: dir, Bridge: network.Bridge(), Client: client, Informers: known}, o.lacks)
		})
	}
	known.Start(ctx.Done())
	n.done.Go(func() {
		<-ctx.Done()
		known.Shutdown()
	})
	return n, nil
}

// joinPodNetwork is startPodNetwork for a node in a cluster that runs elsewhere, as which it comes to it.
// podling's own lets its nodes see Services. Others do not: there a kube-proxy and a DNS server run as pods.
func joinPodNetwork(ctx context.Context, as *rest.Config, client kubernetes.Interface, o Options, dir string, network containerd.Network) (*podNetwork, error) {
	for _, what := range []authorizationv1.ResourceAttributes{{Resource: "services"}, {Resource: "endpointslices", Group: discoveryv1.GroupName}} {
		what.Verb = "list"
		review, err := client.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, &authorizationv1.SelfSubjectAccessReview{
			Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &what},
		}, metav1.CreateOptions{})
		if err != nil {
			return nil, fmt.Errorf("whether the node may see Services: %w", err)
		}
		if !review.Status.Allowed {
			o.lacks("Services' addresses and names are left to this cluster's own kube-proxy and DNS server, for it does not let this node see its " + what.Resource + " (--cluster-dns says where pods ask for names)")
			return &podNetwork{cancel: func() {}, dns: o.Network.resolvers()}, nil
		}
	}
	return startPodNetwork(as, o, dir, network)
}

func (n *podNetwork) startDNS(ctx context.Context, known informers.SharedInformerFactory, address netip.Addr, lacks func(string)) {
	server, err := nameserver.New(ctx, nameserver.Config{
		Listen: netip.AddrPortFrom(address, dnsPort), Domain: clusterDomain, Informers: known, ResolvConf: "/etc/resolv.conf",
	})
	if err != nil {
		lacks(fmt.Sprintf("Services have no names, pods ask the machine's own resolvers: %v", err))
		return
	}
	n.dns = []string{address.String()}
	n.done.Go(func() {
		if err := server.Run(ctx); err != nil {
			klog.ErrorS(err, "Services have no names any more")
		}
	})
}

func (n *podNetwork) runProxy(ctx context.Context, cfg proxy.Config, lacks func(string)) {
	var err error
	if n.proxy, err = proxy.New(cfg); err == nil {
		err = n.proxy.Run(ctx)
	}
	if err != nil {
		lacks(fmt.Sprintf("Services' addresses lead nowhere: %v", err))
	}
}

// stop ends it, and takes the rules back if no pod of the runtime needs them, or none will be left.
func (n *podNetwork) stop(ctx context.Context, r *containerRuntime, podsGo bool) error {
	needed, err := r.holds(ctx)
	return errors.Join(err, n.end(needed && !podsGo))
}

// end ends it, and takes the rules back if nobody needs them.
func (n *podNetwork) end(needed bool) error {
	n.cancel()
	n.done.Wait()
	if needed || n.proxy == nil {
		return nil
	}
	return n.proxy.Remove()
}
