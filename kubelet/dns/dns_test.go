package dns

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/record"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
	upstream "k8s.io/kubernetes/pkg/kubelet/network/dns"
	upstreamutil "k8s.io/kubernetes/pkg/kubelet/util"
)

func pick[T any](random *rand.Rand, from ...T) T { return from[random.IntN(len(from))] }

// searches are some of those that stretch the limits: of each path, of their
// number, and of all together.
func searches(random *rand.Rand) []string {
	var list []string
	wide := random.IntN(2) == 0
	for i := range random.IntN(40) {
		if wide {
			list = append(list, fmt.Sprintf("%s%d", strings.Repeat("middle.", 5+random.IntN(15)), i))
			continue
		}
		list = append(list, pick(random, "a.example", "b.example.", ".", "svc.cluster.local", strings.Repeat("long.", 60)+"end"))
	}
	return list
}

// TestConfigAsUpstream compares the resolver configuration of random pods on
// random hosts with what upstream's Configurer makes.
func TestConfigAsUpstream(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	file := filepath.Join(t.TempDir(), "resolv.conf")
	for i := range 2000 {
		var host strings.Builder
		for range random.IntN(8) {
			switch random.IntN(5) {
			case 0, 1:
				fmt.Fprintf(&host, "nameserver 10.0.0.%d\n", random.IntN(5))
			case 2:
				fmt.Fprintf(&host, "search %s\n", strings.Join(searches(random), " "))
			case 3:
				fmt.Fprintf(&host, " options %s %s\n", pick(random, "ndots:2", "rotate", "timeout:1"), pick(random, "ndots:3", "edns0"))
			case 4:
				host.WriteString(pick(random, "# nameserver 1.1.1.1\n", "\n", "domain x\n", "nameserver\n"))
			}
		}
		if err := os.WriteFile(file, []byte(host.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		p := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "p"}}
		p.Spec.DNSPolicy = pick(random, v1.DNSClusterFirst, v1.DNSClusterFirstWithHostNet, v1.DNSDefault, v1.DNSNone, "unheard-of")
		p.Spec.HostNetwork = random.IntN(3) == 0
		if random.IntN(2) == 0 {
			value := "5"
			p.Spec.DNSConfig = &v1.PodDNSConfig{
				Nameservers: []string{"10.0.0.1", "10.9.9.9"}[:random.IntN(3)],
				Searches:    searches(random),
				Options:     []v1.PodDNSConfigOption{{Name: "ndots", Value: &value}, {Name: "edns0"}}[:random.IntN(3)],
			}
		}
		servers := [][]string{nil, {"10.96.0.10"}, {"10.96.0.10", "10.96.0.11"}}[random.IntN(3)]
		domain := pick(random, "", "cluster.local")
		resolvConf := pick(random, file, file, file, "")

		var ips []net.IP
		for _, s := range servers {
			ips = append(ips, net.ParseIP(s))
		}
		events := record.NewFakeRecorder(100)
		want, wantErr := upstream.NewConfigurer(events, &v1.ObjectReference{}, nil, ips, domain, resolvConf).GetPodDNS(t.Context(), p)
		var warned []string
		got, gotErr := Config(p, servers, domain, resolvConf, func(m string) { warned = append(warned, "Warning DNSConfigForming "+m) })
		if (gotErr == nil) != (wantErr == nil) {
			t.Fatalf("case %d: error %v, upstream %v, for\n%s", i, gotErr, wantErr, host.String())
		}
		if gotErr == nil && show(got) != show(want) {
			t.Fatalf("case %d: %s\nupstream %s\nfor %+v\n%s", i, show(got), show(want), p.Spec, host.String())
		}
		if told := forming(events); gotErr == nil && !slices.Equal(warned, told) {
			t.Fatalf("case %d: warned of %q\nupstream %q", i, warned, told)
		}
	}
}

// forming are the Events about what was left out.
func forming(events *record.FakeRecorder) []string {
	close(events.Events)
	var out []string
	for e := range events.Events {
		if strings.Contains(e, "DNSConfigForming") {
			out = append(out, e)
		}
	}
	return out
}

// show prints a configuration; the order of options has no meaning.
func show(c *runtimeapi.DNSConfig) string {
	options := slices.Sorted(slices.Values(c.Options))
	return fmt.Sprintf("servers %q searches %q options %q", c.Servers, c.Searches, options)
}

func TestConfigOfUnreadableHost(t *testing.T) {
	_, err := Config(&v1.Pod{}, nil, "", filepath.Join(t.TempDir(), "none"), func(string) {})
	if err == nil || !strings.Contains(err.Error(), "resolver configuration") {
		t.Errorf("error %v", err)
	}
}

func TestHostname(t *testing.T) {
	long := strings.Repeat("a", 62) + "-b"
	for _, c := range []struct {
		name, hostname, subdomain, override string
		want, domain, err                   string
	}{
		{name: "p", want: "p"},
		{name: "p", hostname: "h", want: "h"},
		{name: "p", hostname: "h", subdomain: "sub", want: "h", domain: "sub.ns.svc.cluster.local"},
		{name: "p", subdomain: "sub", want: "p", domain: "sub.ns.svc.cluster.local"},
		{name: "p", hostname: "h", subdomain: "sub", override: "x.y", want: "x.y"},
		{name: long, want: strings.Repeat("a", 62)},
		{name: "p", override: strings.Repeat("b", 63) + ".c", want: strings.Repeat("b", 63)},
		{name: strings.Repeat("-", 64), err: `hostname for pod "` + strings.Repeat("-", 64) + `" was invalid: "` + strings.Repeat("-", 64) + `"`},
		{name: "p", hostname: "A", err: `pod Hostname "A" is not a valid DNS label: `},
		{name: "p", subdomain: "a.b", err: `pod Subdomain "a.b" is not a valid DNS label: `},
		{name: "p", override: "A", err: `pod HostnameOverride "A" is not a valid DNS subdomain: `},
	} {
		p := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: c.name}, Spec: v1.PodSpec{Hostname: c.hostname, Subdomain: c.subdomain}}
		if c.override != "" {
			p.Spec.HostnameOverride = &c.override
		}
		hostname, domain, err := Hostname(p, "cluster.local")
		if c.err != "" {
			if err == nil || !strings.HasPrefix(err.Error(), c.err) {
				t.Errorf("%+v: error %v, want %s", c, err, c.err)
			}
			continue
		}
		if err != nil || hostname != c.want || domain != c.domain {
			t.Errorf("%+v: %q, %q, %v", c, hostname, domain, err)
		}
	}
}

// TestNodeNameAsUpstream compares the kernel's name with upstream's.
func TestNodeNameAsUpstream(t *testing.T) {
	yes, no := true, false
	for _, fqdn := range []*bool{nil, &no, &yes} {
		for _, domain := range []string{"", "sub.ns.svc.cluster.local"} {
			for length := 1; length <= 63; length++ {
				hostname := strings.Repeat("h", length)
				got, gotErr := NodeName(&v1.Pod{Spec: v1.PodSpec{SetHostnameAsFQDN: fqdn}}, hostname, domain)
				want, wantErr := upstreamutil.GetNodenameForKernel(hostname, domain, fqdn)
				if got != want || fmt.Sprint(gotErr) != fmt.Sprint(wantErr) {
					t.Errorf("%s in %q: %q, %v, upstream %q, %v", hostname, domain, got, gotErr, want, wantErr)
				}
			}
		}
	}
}

const managed = `# Kubernetes-managed hosts file.
127.0.0.1	localhost
::1	localhost ip6-localhost ip6-loopback
fe00::0	ip6-localnet
fe00::0	ip6-mcastprefix
fe00::1	ip6-allnodes
fe00::2	ip6-allrouters
`

func TestHostsFile(t *testing.T) {
	node, err := os.ReadFile("/etc/hosts")
	if err != nil {
		t.Fatal(err)
	}
	aliases := []v1.HostAlias{{IP: "1.2.3.4", Hostnames: []string{"a", "b"}}, {IP: "::5", Hostnames: []string{"c"}}}
	const aliased = "\n# Entries added by HostAliases.\n1.2.3.4\ta\tb\n::5\tc\n"
	dir := t.TempDir()
	for _, c := range []struct {
		name   string
		spec   v1.PodSpec
		domain string
		want   string
	}{
		{"plain", v1.PodSpec{}, "", managed + "10.1.0.2\th\nfd00::2\th\n"},
		{"with a domain", v1.PodSpec{}, "s.ns.svc.x", managed + "10.1.0.2\th.s.ns.svc.x\th\nfd00::2\th.s.ns.svc.x\th\n"},
		{"with aliases", v1.PodSpec{HostAliases: aliases}, "", managed + "10.1.0.2\th\nfd00::2\th\n" + aliased},
		{"in the node's network", v1.PodSpec{HostNetwork: true, HostAliases: aliases}, "",
			"# Kubernetes-managed hosts file (host network).\n" + string(node) + aliased},
	} {
		path, err := HostsFile(dir, &v1.Pod{Spec: c.spec}, []string{"10.1.0.2", "fd00::2"}, "h", c.domain)
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if err != nil || string(got) != c.want {
			t.Errorf("%s: %v\n%s\nwant\n%s", c.name, err, got, c.want)
		}
		if info, err := os.Stat(path); err != nil || info.Mode() != 0o644 {
			t.Errorf("%s: %v, %v", c.name, info.Mode(), err)
		}
	}
	if _, err := HostsFile(filepath.Join(dir, "none"), &v1.Pod{}, nil, "h", ""); err == nil || !strings.Contains(err.Error(), "writing the pod's hosts file") {
		t.Errorf("into a folder that is not there: %v", err)
	}
}
