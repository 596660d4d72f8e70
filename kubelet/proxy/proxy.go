package proxy

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/events"
	utilsysctl "k8s.io/component-helpers/node/util/sysctl"
	"k8s.io/kubernetes/pkg/proxy/config"
	"k8s.io/kubernetes/pkg/proxy/healthcheck"
	"k8s.io/kubernetes/pkg/proxy/iptables"
	proxyutil "k8s.io/kubernetes/pkg/proxy/util"
	utiliptables "k8s.io/kubernetes/pkg/util/iptables"
)

const (
	// syncEvery is how often it is seen to that nobody has emptied the tables; upstream's default.
	syncEvery = 30 * time.Second
	// syncAtMostEvery is how soon a change of a Service may follow another into the rules. Upstream's
	// default is a second, for clusters with many; here a test waits for it.
	syncAtMostEvery = 200 * time.Millisecond
	// masqueradeBit of a packet's mark says that it is to leave in this machine's name; upstream's default.
	masqueradeBit = 14
)

// Config says for whom Services have addresses.
type Config struct {
	NodeName string
	NodeIP   net.IP
	// Dir is the data folder of this podling, by which its chains are told from others'.
	Dir string
	// Bridge is the interface that this podling's pods hang on; "" if that is not known.
	Bridge string
	Client kubernetes.Interface
	// Informers are of Services and EndpointSlices. They are started by whom they belong to, and end with
	// Run's context.
	Informers informers.SharedInformerFactory
}

// A Proxy keeps the kernel's rules as the Services are.
type Proxy struct {
	config Config
	ipt    utiliptables.Interface
	prefix string
	gate   *gate
}

// New sees whether this machine can do it. The error says what it lacks.
func New(cfg Config) (*Proxy, error) {
	ipt := utiliptables.New(utiliptables.ProtocolIPv4)
	if err := ipt.Present(); err != nil {
		return nil, fmt.Errorf("iptables does not work here (Debian: apt-get install iptables; it takes root's CAP_NET_ADMIN, and a kernel with nf_tables or ip_tables): %w", err)
	}
	return &Proxy{config: cfg, ipt: ipt, prefix: Prefix(cfg.Dir), gate: &gate{shut: make(chan struct{})}}, nil
}

// Prefix is what the names of the chains begin with of the podling with that data folder: eight letters,
// the same after each start.
func Prefix(dir string) string {
	hash := sha256.Sum256([]byte(dir))
	return fmt.Sprintf("P%x-", hash[:3])
}

// Run keeps the rules until ctx ends, and leaves them in force. It is called once.
func (p *Proxy) Run(ctx context.Context) error {
	defer p.gate.close()
	broadcaster := events.NewBroadcaster(&events.EventSinkImpl{Interface: p.config.Client.EventsV1()})
	defer broadcaster.Shutdown()
	if err := broadcaster.StartRecordingToSinkWithContext(ctx); err != nil {
		return err
	}
	local := proxyutil.NewNoOpLocalDetector()
	if p.config.Bridge != "" {
		local = proxyutil.NewDetectLocalByBridgeInterface(p.config.Bridge)
	}
	scoped := chains{Interface: p.ipt, prefix: p.prefix, bridge: p.config.Bridge, gate: p.gate}
	// No node port on 127.0.0.1: that takes route_localnet, which opens the machine's loopback to its neighbours.
	proxier, err := iptables.NewProxier(ctx, v1.IPv4Protocol, scoped, utilsysctl.New(), syncEvery, syncAtMostEvery, false, false, masqueradeBit,
		local, p.config.NodeName, p.config.NodeIP, broadcaster.NewRecorder(scheme.Scheme, "kube-proxy"),
		healthcheck.NewProxyHealthServer("", 2*syncEvery, thisNode(p.config.NodeName)), nil, false)
	if err != nil {
		return fmt.Errorf("the service proxy: %w", err)
	}
	services := config.NewServiceConfig(ctx, p.config.Informers.Core().V1().Services(), 0)
	services.RegisterEventHandler(proxier)
	slices := config.NewEndpointSliceConfig(ctx, p.config.Informers.Discovery().V1().EndpointSlices(), 0)
	slices.RegisterEventHandler(proxier)
	go proxier.SyncLoop()
	var running sync.WaitGroup
	running.Go(func() { services.Run(ctx.Done()) })
	running.Go(func() { slices.Run(ctx.Done()) })
	running.Wait()
	p.config.Informers.Shutdown() // whoever tells upstream of a change after its loop has ended makes it panic
	return nil
}

// Remove takes the rules back, after Run, once no pod needs them.
func (p *Proxy) Remove() error { return remove(p.ipt, p.prefix) }

// thisNode is what load balancers are told of the node by its name: none is about to remove it.
type thisNode string

func (n thisNode) Node() *v1.Node { return &v1.Node{ObjectMeta: metav1.ObjectMeta{Name: string(n)}} }
