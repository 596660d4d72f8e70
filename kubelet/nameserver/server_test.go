package nameserver

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/miekg/dns"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/kubernetes/scheme"
)

// A lab is a server on loopback, which asks a resolver that the test plays.
type lab struct {
	*testing.T
	server   *Server
	resolver string // where the played resolver listens
}

// start runs a server that knows the objects of these manifests.
func start(t *testing.T, manifests string) *lab {
	t.Helper()
	client := fake.NewClientset()
	for text := range strings.SplitSeq(manifests, "\n---\n") {
		if strings.TrimSpace(text) == "" {
			continue
		}
		object, _, err := scheme.Codecs.UniversalDeserializer().Decode([]byte(text), nil, nil)
		if err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		if err := client.Tracker().Add(object); err != nil {
			t.Fatal(err)
		}
	}
	known := informers.NewSharedInformerFactory(client, 0)
	resolv := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(resolv, []byte("nameserver 127.0.0.1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l := &lab{T: t}
	var err error
	l.server, err = New(t.Context(), Config{Listen: netip.MustParseAddrPort("127.0.0.1:0"), Domain: "cluster.local", Informers: known, ResolvConf: resolv})
	if err != nil {
		t.Fatal(err)
	}
	l.play()
	ctx, cancel := context.WithCancel(context.Background())
	known.Start(ctx.Done())
	known.WaitForCacheSync(ctx.Done())
	ended := make(chan error, 1)
	go func() { ended <- l.server.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		known.Shutdown()
	})
	return l
}

// play has a resolver answer for two names, over UDP alone, and refuse all others.
func (l *lab) play() {
	l.Helper()
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		l.Fatal(err)
	}
	l.resolver = conn.LocalAddr().String()
	_, l.server.forward.port, _ = net.SplitHostPort(l.resolver)
	answers := map[string]string{"example.org.": "example.org. 60 IN A 192.0.2.7", "example.net.": "example.net. 60 IN AAAA 2001:db8::7"}
	server := &dns.Server{PacketConn: conn, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		if text, ok := answers[q.Question[0].Name]; ok {
			record, err := dns.NewRR(text)
			if err != nil {
				l.Error(err)
			}
			m.Answer = []dns.RR{record}
		} else {
			m.Rcode = dns.RcodeNameError
		}
		if err := w.WriteMsg(m); err != nil {
			l.Error(err)
		}
	})}
	started := make(chan struct{})
	server.NotifyStartedFunc = func() { close(started) }
	ended := make(chan error, 1)
	go func() { ended <- server.ActivateAndServe() }()
	<-started
	l.Cleanup(func() {
		if err := server.Shutdown(); err != nil {
			l.Error(err)
		}
		if err := <-ended; err != nil {
			l.Error(err)
		}
	})
}

// ask asks a real question.
func (l *lab) ask(network, name string, kind uint16, more func(*dns.Msg)) *dns.Msg {
	l.Helper()
	m := new(dns.Msg).SetQuestion(dns.Fqdn(name), kind)
	if more != nil {
		more(m)
	}
	client := dns.Client{Net: network, Timeout: 10 * time.Second}
	answer, _, err := client.ExchangeContext(l.Context(), m, l.server.Address().String())
	if err != nil {
		l.Fatalf("%s %s: %v", name, dns.TypeToString[kind], err)
	}
	answer.Compress = true // as it came, so that Len is right
	return answer
}

// show is an answer, with what has no order sorted.
func show(m *dns.Msg) string {
	var b strings.Builder
	b.WriteString(dns.RcodeToString[m.Rcode])
	if m.Authoritative {
		b.WriteString(" authoritative")
	}
	if m.Truncated {
		b.WriteString(" truncated")
	}
	b.WriteByte('\n')
	for _, section := range []struct {
		name    string
		records []dns.RR
	}{{"", m.Answer}, {"authority ", m.Ns}, {"also ", m.Extra}} {
		var lines []string
		for _, record := range section.records {
			if record.Header().Rrtype != dns.TypeOPT {
				lines = append(lines, section.name+strings.ReplaceAll(record.String(), "\t", " ")+"\n")
			}
		}
		if slices.ContainsFunc(section.records, func(r dns.RR) bool { return r.Header().Rrtype == dns.TypeCNAME }) {
			b.WriteString(strings.Join(lines, "")) // there, the order says what leads to what
			continue
		}
		slices.Sort(lines)
		b.WriteString(strings.Join(lines, ""))
	}
	return b.String()
}

func TestNames(t *testing.T) {
	var l *lab
	datadriven.RunTest(t, "testdata/names.txt", func(t *testing.T, d *datadriven.TestData) string {
		switch d.Cmd {
		case "objects":
			l = start(t, d.Input)
			return ""
		case "ask":
			network := "udp"
			d.MaybeScanArgs(t, "net", &network)
			kind, ok := dns.StringToType[d.CmdArgs[1].Key]
			if !ok {
				t.Fatalf("%s: there is no type %s", d.Pos, d.CmdArgs[1].Key)
			}
			return show(l.ask(network, d.CmdArgs[0].Key, kind, nil))
		}
		t.Fatalf("%s: unknown command %s", d.Pos, d.Cmd)
		return ""
	})
}

// many are the manifests of a headless Service with so many pods.
func many(pods int) string {
	var b strings.Builder
	b.WriteString(`apiVersion: v1
kind: Service
metadata: {name: many, namespace: default}
spec: {clusterIP: None, clusterIPs: [None]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: many-1, namespace: default, labels: {kubernetes.io/service-name: many}}
addressType: IPv4
endpoints:
`)
	for i := range pods {
		fmt.Fprintf(&b, "- addresses: [10.1.%d.%d]\n", i/250, i%250+1)
	}
	return b.String()
}

// What is too long for UDP is cut, and said whole over TCP.
func TestLongAnswers(t *testing.T) {
	const pods = 300
	l := start(t, many(pods))
	const name = "many.default.svc.cluster.local"
	short := l.ask("udp", name, dns.TypeA, nil)
	if !short.Truncated || short.Len() > dns.MinMsgSize || len(short.Answer) == 0 {
		t.Errorf("over UDP: truncated %v, %d bytes, %d addresses", short.Truncated, short.Len(), len(short.Answer))
	}
	larger := l.ask("udp", name, dns.TypeA, func(m *dns.Msg) { m.SetEdns0(4096, false) })
	if !larger.Truncated || larger.Len() > payload || len(larger.Answer) <= len(short.Answer) || larger.IsEdns0() == nil {
		t.Errorf("over UDP with EDNS0: truncated %v, %d bytes, %d addresses", larger.Truncated, larger.Len(), len(larger.Answer))
	}
	if whole := l.ask("tcp", name, dns.TypeA, nil); whole.Truncated || len(whole.Answer) != pods {
		t.Errorf("over TCP: truncated %v, %d addresses of %d", whole.Truncated, len(whole.Answer), pods)
	}
}

// Those who ask often are led to each pod, not always to the first.
func TestOrderIsOfChance(t *testing.T) {
	l := start(t, many(3))
	first := map[string]bool{}
	for range 200 { // that one of three never comes first: once in 10^35
		answer := l.ask("udp", "many.default.svc.cluster.local", dns.TypeA, nil)
		first[answer.Answer[0].(*dns.A).A.String()] = true
	}
	if len(first) != 3 {
		t.Errorf("first came %v", first)
	}
}

// A question that is none is answered so.
func TestBadQuestions(t *testing.T) {
	l := start(t, "")
	for name, test := range map[string]struct {
		change func(*dns.Msg)
		want   int
	}{
		"two at once":  {func(m *dns.Msg) { m.Question = append(m.Question, m.Question[0]) }, dns.RcodeFormatError},
		"an update":    {func(m *dns.Msg) { m.Opcode = dns.OpcodeUpdate }, dns.RcodeNotImplemented},
		"a notice":     {func(m *dns.Msg) { m.Opcode = dns.OpcodeNotify }, dns.RcodeNotImplemented},
		"a transfer":   {func(m *dns.Msg) { m.Question[0].Qtype = dns.TypeAXFR }, dns.RcodeRefused},
		"another name": {func(m *dns.Msg) { m.Question[0].Name = "cluster.localx." }, dns.RcodeNameError},
	} {
		got := l.ask("udp", "cluster.local", dns.TypeA, test.change)
		if got.Rcode != test.want {
			t.Errorf("%s: %s", name, dns.RcodeToString[got.Rcode])
		}
	}
}

// The machine's resolvers are read again when they change, and a question never goes in circles.
func TestResolversChange(t *testing.T) {
	l := start(t, "")
	if got := l.ask("udp", "example.org", dns.TypeA, nil); got.Rcode != dns.RcodeSuccess || len(got.Answer) != 1 {
		t.Errorf("a resolver's answer: %s", show(got))
	}
	l.server.forward.port = fmt.Sprint(l.server.Address().Port())
	later := time.Now().Add(time.Hour)
	if err := os.Chtimes(l.server.forward.file, later, later); err != nil {
		t.Fatal(err)
	}
	if got := l.ask("udp", "example.org", dns.TypeA, nil); got.Rcode != dns.RcodeServerFailure {
		t.Errorf("with no resolver but itself: %s", show(got))
	}
	if err := os.Remove(l.server.forward.file); err != nil {
		t.Fatal(err)
	}
	if got := l.ask("udp", "example.org", dns.TypeA, nil); got.Rcode != dns.RcodeServerFailure {
		t.Errorf("with no resolvers: %s", show(got))
	}
}

// Before the Services are known, none is said not to exist.
func TestNotReady(t *testing.T) {
	known := informers.NewSharedInformerFactory(fake.NewClientset(), 0)
	s, err := New(t.Context(), Config{Listen: netip.MustParseAddrPort("127.0.0.1:0"), Domain: "cluster.local", Informers: known, ResolvConf: "/none"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	if got := s.answer(new(dns.Msg).SetQuestion("web.default.svc.cluster.local.", dns.TypeA), "udp"); got.Rcode != dns.RcodeServerFailure {
		t.Errorf("%s", show(got))
	}
}

func TestPortTaken(t *testing.T) {
	taken, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	address := taken.Addr().String()
	known := informers.NewSharedInformerFactory(fake.NewClientset(), 0)
	_, err = New(t.Context(), Config{Listen: netip.MustParseAddrPort(address), Domain: "cluster.local", Informers: known})
	if err == nil || !strings.Contains(err.Error(), address) {
		t.Errorf("error %v, want one that names %s", err, address)
	}
}
