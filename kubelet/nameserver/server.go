package nameserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
)

const (
	// payload is how long an answer over UDP may be for those who say that they take more than 512 bytes,
	// and that fits into every network's packets (DNS flag day 2020).
	payload = 1232
	// atOnce is how many questions may wait for the machine's resolvers; CoreDNS's is the same.
	atOnce = 1000
	// stopPatience is how long questions under way have when the server ends.
	stopPatience = time.Second
)

// Config says what is answered, and where.
type Config struct {
	// Listen is the address, which the machine may be about to get, and the port; 0 for any that is free.
	Listen netip.AddrPort
	// Domain is the cluster's, like cluster.local.
	Domain string
	// Informers are of Services and EndpointSlices, and are started by whom they belong to, after New.
	Informers informers.SharedInformerFactory
	// ResolvConf names the machine's own resolvers, and is read anew when it changes.
	ResolvConf string
}

// Server is a DNS server over UDP and TCP.
type Server struct {
	names   *names
	forward *forwarder
	udp     net.PacketConn
	tcp     net.Listener
	synced  []cache.InformerSynced
}

// New listens. Nothing is answered before Run.
func New(ctx context.Context, cfg Config) (*Server, error) {
	s := &Server{}
	services, slices := cfg.Informers.Core().V1().Services().Informer(), cfg.Informers.Discovery().V1().EndpointSlices().Informer()
	var err error
	if s.names, err = newNames(cfg.Domain, services, slices); err != nil {
		return nil, fmt.Errorf("cluster DNS: %w", err)
	}
	s.synced = []cache.InformerSynced{services.HasSynced, slices.HasSynced}
	if err := s.listen(ctx, cfg.Listen); err != nil {
		return nil, fmt.Errorf("cluster DNS: %w", err)
	}
	s.forward = newForwarder(cfg.ResolvConf, s.Address())
	return s, nil
}

// listen takes the port for TCP, and the same for UDP.
func (s *Server) listen(ctx context.Context, at netip.AddrPort) (err error) {
	soon := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) (err error) {
		failed := c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_FREEBIND, 1) })
		return errors.Join(failed, err)
	}}
	if s.tcp, err = soon.Listen(ctx, "tcp4", at.String()); err != nil {
		return err
	}
	if s.udp, err = soon.ListenPacket(ctx, "udp4", s.tcp.Addr().String()); err != nil {
		return errors.Join(err, s.tcp.Close())
	}
	return nil
}

// Address is where it listens.
func (s *Server) Address() netip.AddrPort {
	return s.tcp.Addr().(*net.TCPAddr).AddrPort()
}

// Close gives the port back of a server that was not run.
func (s *Server) Close() error { return errors.Join(s.udp.Close(), s.tcp.Close()) }

// Run answers until ctx ends.
func (s *Server) Run(ctx context.Context) error {
	serving, stage := errgroup.WithContext(ctx)
	for _, server := range []*dns.Server{{PacketConn: s.udp, Handler: s}, {Listener: s.tcp, Handler: s}} {
		started := make(chan struct{})
		server.NotifyStartedFunc = func() { close(started) }
		serving.Go(server.ActivateAndServe)
		serving.Go(func() error {
			<-stage.Done()
			<-started // or Shutdown would do nothing
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopPatience)
			defer cancel()
			if err := server.ShutdownContext(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
				return err
			}
			return nil
		})
	}
	if err := serving.Wait(); err != nil {
		return fmt.Errorf("cluster DNS: %w", err)
	}
	return nil
}

// ServeDNS answers a question.
func (s *Server) ServeDNS(w dns.ResponseWriter, question *dns.Msg) {
	answer := s.answer(question, w.LocalAddr().Network())
	if w.LocalAddr().Network() == "udp" {
		size := dns.MinMsgSize
		if o := question.IsEdns0(); o != nil {
			size = max(size, min(payload, int(o.UDPSize())))
		}
		answer.Truncate(size)
	}
	_ = w.WriteMsg(answer) // who does not get it asks again
}

// answer is what there is to say over that network (udp, tcp).
func (s *Server) answer(question *dns.Msg, network string) *dns.Msg {
	if question.Opcode != dns.OpcodeQuery { // a notification; the library refuses what else is none
		return new(dns.Msg).SetRcode(question, dns.RcodeNotImplemented)
	}
	ctx := context.Background() // each of the machine's resolvers has its time
	asked := question.Question[0]
	ours := asked.Qclass == dns.ClassINET && s.names.has(asked.Name)
	switch {
	case ours && !s.ready():
		return new(dns.Msg).SetRcode(question, dns.RcodeServerFailure)
	case asked.Qtype == dns.TypeAXFR || asked.Qtype == dns.TypeIXFR:
		return new(dns.Msg).SetRcode(question, dns.RcodeRefused)
	}
	if !ours {
		if name, ok := s.names.named(asked); ok {
			return edns(question, s.names.reply(question, name))
		}
		return s.forward.ask(ctx, question, network)
	}
	found := s.names.find(asked)
	reply := s.names.reply(question, found)
	if target := found.outside; target != "" { // an ExternalName that others answer for
		further := question.Copy()
		further.Question[0].Name = target
		if more := s.forward.ask(ctx, further, network); more.Rcode == dns.RcodeSuccess {
			reply.Answer, reply.Truncated = append(reply.Answer, more.Answer...), more.Truncated
		}
	}
	return edns(question, reply)
}

// ready: all Services are known.
func (s *Server) ready() bool {
	for _, synced := range s.synced {
		if !synced() {
			return false
		}
	}
	return true
}

// edns answers one who speaks EDNS0 in kind (RFC 6891, section 6.1.1).
func edns(question, reply *dns.Msg) *dns.Msg {
	if question.IsEdns0() != nil {
		reply.SetEdns0(payload, false)
	}
	return reply
}

// lower is a name as it is compared.
func lower(name string) string { return strings.ToLower(dns.Fqdn(name)) }
