package nameserver

import (
	"context"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/miekg/dns"
	"k8s.io/klog/v2"
)

// forwardPatience is how long one of the machine's resolvers has; containers' resolvers wait five seconds.
const forwardPatience = 2 * time.Second

// forwarder asks the machine's resolvers, one after the other.
type forwarder struct {
	file  string
	own   netip.AddrPort // is not asked, or a question would go in circles
	port  string         // of the resolvers, which the file cannot say
	slots chan struct{}

	mu      sync.Mutex
	read    time.Time // the file's time when it was read
	servers []string
}

func newForwarder(file string, own netip.AddrPort) *forwarder {
	return &forwarder{file: file, own: own, port: "53", slots: make(chan struct{}, atOnce)}
}

// ask gives the first answer, or says that there is none.
func (f *forwarder) ask(ctx context.Context, question *dns.Msg, network string) *dns.Msg {
	failed := new(dns.Msg).SetRcode(question, dns.RcodeServerFailure)
	select {
	case f.slots <- struct{}{}:
		defer func() { <-f.slots }()
	default:
		return failed
	}
	client := dns.Client{Net: network, Timeout: forwardPatience}
	further := question.Copy()
	further.Id = dns.Id() // of our own choice: who asks could guess the answer to its own
	for _, server := range f.resolvers() {
		answer, _, err := client.ExchangeContext(ctx, further, server)
		if err != nil || answer.Rcode == dns.RcodeServerFailure || answer.Rcode == dns.RcodeRefused {
			klog.V(2).InfoS("A resolver of this machine does not answer", "resolver", server, "err", err)
			continue
		}
		answer.Id = question.Id
		return answer
	}
	return failed
}

// resolvers are what resolv.conf names: none if it cannot be read.
func (f *forwarder) resolvers() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	info, err := os.Stat(f.file)
	if err != nil {
		return nil
	}
	if info.ModTime().Equal(f.read) {
		return f.servers
	}
	f.servers, f.read = nil, info.ModTime()
	config, err := dns.ClientConfigFromFile(f.file)
	if err != nil {
		klog.InfoS("The machine's resolvers cannot be read: names outside of the cluster are not known", "file", f.file, "err", err)
		return nil
	}
	for _, server := range config.Servers {
		if address := net.JoinHostPort(server, f.port); address != f.own.String() {
			f.servers = append(f.servers, address)
		}
	}
	return f.servers
}
