package nameserver

import (
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"
	v1 "k8s.io/api/core/v1"
	discovery "k8s.io/api/discovery/v1"
	"k8s.io/client-go/tools/cache"
)

const (
	// ttl is how long, in seconds, answers may be kept; CoreDNS's default.
	ttl = 5
	// specification is what dns-version says: the version that is kept to.
	specification = "1.1.0"
	// deepest is how many ExternalNames of this cluster may lead to each other.
	deepest = 8

	byService = "service"
	byAddress = "address"
)

// names are those of the cluster's Services and pods.
type names struct {
	domain           string // with a dot at its end
	services, slices cache.Indexer
}

// found is what there is of a name.
type found struct {
	exists        bool // if not, nor do names below it
	answer, extra []dns.RR
	outside       string // where the answer goes on, beyond the cluster
}

func newNames(domain string, services, slices cache.SharedIndexInformer) (*names, error) {
	if err := services.AddIndexers(cache.Indexers{byAddress: func(object any) ([]string, error) {
		return object.(*v1.Service).Spec.ClusterIPs, nil
	}}); err != nil {
		return nil, err
	}
	err := slices.AddIndexers(cache.Indexers{
		byService: func(object any) ([]string, error) {
			slice := object.(*discovery.EndpointSlice)
			return []string{slice.Namespace + "/" + slice.Labels[discovery.LabelServiceName]}, nil
		},
		byAddress: func(object any) (addresses []string, err error) {
			for _, e := range object.(*discovery.EndpointSlice).Endpoints {
				addresses = append(addresses, e.Addresses...)
			}
			return addresses, nil
		},
	})
	return &names{domain: lower(domain), services: services.GetIndexer(), slices: slices.GetIndexer()}, err
}

// has says whether a name is the cluster's to answer for.
func (n *names) has(name string) bool { return dns.IsSubDomain(n.domain, lower(name)) }

// reply makes an answer of what was found; without one, the SOA says for how long there is none (RFC 2308).
func (n *names) reply(question *dns.Msg, f found) *dns.Msg {
	m := new(dns.Msg).SetReply(question)
	m.Authoritative, m.RecursionAvailable = true, true
	m.Answer, m.Extra = f.answer, f.extra
	if !f.exists {
		m.Rcode = dns.RcodeNameError
	}
	if len(f.answer) == 0 {
		m.Ns = []dns.RR{n.soa()}
	}
	return m
}

func (n *names) soa() dns.RR {
	return &dns.SOA{
		Hdr: header(n.domain, dns.TypeSOA), Ns: "ns.dns." + n.domain, Mbox: "hostmaster." + n.domain,
		Serial: 1, Refresh: 7200, Retry: 1800, Expire: 86400, Minttl: ttl,
	}
}

func header(name string, kind uint16) dns.RR_Header {
	return dns.RR_Header{Name: name, Rrtype: kind, Class: dns.ClassINET, Ttl: ttl}
}

// find is what there is of a name of the cluster's, owned by the name as it was asked for.
func (n *names) find(asked dns.Question) found {
	return n.follow(asked, deepest)
}

func (n *names) follow(asked dns.Question, depth int) found {
	labels := dns.SplitDomainName(strings.TrimSuffix(lower(asked.Name), n.domain))
	last := len(labels) - 1
	switch {
	case last < 0:
		f := found{exists: true}
		if asked.Qtype == dns.TypeSOA {
			f.answer = []dns.RR{n.soa()}
		}
		return f
	case last == 0 && labels[0] == "dns-version":
		f := found{exists: true}
		if asked.Qtype == dns.TypeTXT {
			f.answer = []dns.RR{&dns.TXT{Hdr: header(asked.Name, dns.TypeTXT), Txt: []string{specification}}}
		}
		return f
	case labels[last] == "pod":
		return pod(asked, labels[:last])
	case labels[last] == "svc":
		return n.service(asked, labels[:last], depth)
	}
	return found{}
}

// pod is the pod of an address, 10-1-2-3.NAMESPACE, whether there is one or not.
func pod(asked dns.Question, labels []string) found {
	if len(labels) < 2 {
		return found{exists: true}
	}
	if len(labels) > 2 {
		return found{}
	}
	ip, err := netip.ParseAddr(strings.ReplaceAll(labels[0], "-", "."))
	if err != nil {
		ip, err = netip.ParseAddr(strings.ReplaceAll(labels[0], "-", ":"))
	}
	if err != nil {
		return found{}
	}
	return found{exists: true, answer: addresses(asked.Name, asked.Qtype, []string{ip.String()})}
}

// service is what [[[PORT.]PROTOCOL.|ENDPOINT.]SERVICE.]NAMESPACE is.
func (n *names) service(asked dns.Question, labels []string, depth int) found {
	if len(labels) == 0 {
		return found{exists: true}
	}
	namespace := labels[len(labels)-1]
	if len(labels) == 1 {
		all, err := n.services.ByIndex(cache.NamespaceIndex, namespace)
		return found{exists: err == nil && len(all) > 0}
	}
	object, ok, err := n.services.GetByKey(namespace + "/" + labels[len(labels)-2])
	if err != nil || !ok {
		return found{}
	}
	service := object.(*v1.Service)
	below := labels[:len(labels)-2]
	switch {
	case service.Spec.Type == v1.ServiceTypeExternalName:
		if len(below) > 0 {
			return found{}
		}
		return n.external(asked, service.Spec.ExternalName, depth)
	case len(below) == 0:
		return found{exists: true, answer: addresses(asked.Name, asked.Qtype, n.of(service))}
	case len(below) == 1 && !strings.HasPrefix(below[0], "_"):
		return n.endpoint(asked, service, below[0])
	case len(below) <= 2:
		return n.ports(asked, service, below)
	}
	return found{}
}

// of are a Service's addresses: its own, or, without, those of all that is ready behind it.
func (n *names) of(service *v1.Service) []string {
	if service.Spec.ClusterIP != v1.ClusterIPNone {
		return service.Spec.ClusterIPs
	}
	var all []string
	for _, e := range n.endpoints(service) {
		all = append(all, e.address)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// external is the name that an ExternalName stands for, and what that is.
func (n *names) external(asked dns.Question, target string, depth int) found {
	target = dns.Fqdn(target)
	f := found{exists: true, answer: []dns.RR{&dns.CNAME{Hdr: header(asked.Name, dns.TypeCNAME), Target: target}}}
	switch {
	case asked.Qtype == dns.TypeCNAME:
	case !n.has(target):
		f.outside = target
	case depth > 0:
		asked.Name = target
		further := n.follow(asked, depth-1)
		f.answer, f.outside = append(f.answer, further.answer...), further.outside
	}
	return f
}

// endpoint is one that is behind a Service without an address, by its hostname or address.
func (n *names) endpoint(asked dns.Question, service *v1.Service, name string) found {
	if service.Spec.ClusterIP != v1.ClusterIPNone {
		return found{}
	}
	var all []string
	for _, e := range n.endpoints(service) {
		if e.name == name {
			all = append(all, e.address)
		}
	}
	return found{exists: len(all) > 0, answer: addresses(asked.Name, asked.Qtype, all)}
}

// ports is what SRV records say of [_PORT.]_PROTOCOL: where the port of that name is reached.
func (n *names) ports(asked dns.Question, service *v1.Service, below []string) found {
	type place struct {
		target  string
		port    uint16
		address string
	}
	full := service.Name + "." + service.Namespace + ".svc." + n.domain
	var places []place
	is := func(name string, protocol v1.Protocol) bool {
		return strings.EqualFold("_"+string(protocol), below[len(below)-1]) && name != "" && (len(below) == 1 || "_"+name == below[0])
	}
	if service.Spec.ClusterIP != v1.ClusterIPNone {
		for _, port := range service.Spec.Ports {
			if is(port.Name, port.Protocol) {
				places = append(places, place{full, uint16(port.Port), service.Spec.ClusterIP})
			}
		}
	} else {
		for _, e := range n.endpoints(service) {
			for _, port := range e.ports {
				if port.Name != nil && port.Protocol != nil && port.Port != nil && is(*port.Name, *port.Protocol) {
					places = append(places, place{e.name + "." + full, uint16(*port.Port), e.address})
				}
			}
		}
	}
	f := found{exists: len(places) > 0}
	if asked.Qtype != dns.TypeSRV || len(below) == 1 {
		return f
	}
	for _, p := range places {
		weight := uint16(max(1, 100/len(places)))
		f.answer = append(f.answer, &dns.SRV{Hdr: header(asked.Name, dns.TypeSRV), Weight: weight, Port: p.port, Target: p.target})
		f.extra = append(f.extra, addresses(p.target, dns.TypeA, []string{p.address})...)
		f.extra = append(f.extra, addresses(p.target, dns.TypeAAAA, []string{p.address})...)
	}
	return f
}

// An endpoint is what is behind a Service and may be led to.
type endpoint struct {
	name, address string
	ports         []discovery.EndpointPort
}

func (n *names) endpoints(service *v1.Service) []endpoint {
	objects, err := n.slices.ByIndex(byService, service.Namespace+"/"+service.Name)
	if err != nil {
		return nil // there is that index
	}
	var all []endpoint
	for _, object := range objects {
		slice := object.(*discovery.EndpointSlice)
		for _, e := range slice.Endpoints {
			if e.Conditions.Ready != nil && !*e.Conditions.Ready {
				continue
			}
			for _, address := range e.Addresses {
				all = append(all, endpoint{endpointName(e, address), address, slice.Ports})
			}
		}
	}
	return all
}

func endpointName(e discovery.Endpoint, address string) string {
	if e.Hostname != nil && *e.Hostname != "" {
		return *e.Hostname
	}
	return strings.NewReplacer(".", "-", ":", "-").Replace(address)
}

// named is the name of an address that is asked for by its reverse (PTR), if a Service or what has a
// name behind one has it.
func (n *names) named(asked dns.Question) (found, bool) {
	reverse, ok := strings.CutSuffix(lower(asked.Name), ".in-addr.arpa.")
	if !ok || asked.Qtype != dns.TypePTR || asked.Qclass != dns.ClassINET {
		return found{}, false
	}
	labels := strings.Split(reverse, ".")
	slices.Reverse(labels)
	address := strings.Join(labels, ".")
	f := found{exists: true}
	add := func(name, service, namespace string) {
		f.answer = append(f.answer, &dns.PTR{Hdr: header(asked.Name, dns.TypePTR), Ptr: name + service + "." + namespace + ".svc." + n.domain})
	}
	services, err := n.services.ByIndex(byAddress, address)
	if err != nil {
		return found{}, false
	}
	for _, object := range services {
		add("", object.(*v1.Service).Name, object.(*v1.Service).Namespace)
	}
	behind, err := n.slices.ByIndex(byAddress, address)
	if err != nil {
		return found{}, false
	}
	for _, object := range behind {
		slice := object.(*discovery.EndpointSlice)
		for _, e := range slice.Endpoints {
			if slices.Contains(e.Addresses, address) && e.Hostname != nil && *e.Hostname != "" {
				add(*e.Hostname+".", slice.Labels[discovery.LabelServiceName], slice.Namespace)
			}
		}
	}
	return f, len(f.answer) > 0
}

// addresses are records of the type A or AAAA, in an order of chance: who asks often takes the first.
func addresses(name string, kind uint16, ips []string) (records []dns.RR) {
	for _, i := range rand.Perm(len(ips)) {
		ip := net.ParseIP(ips[i])
		switch v4 := ip.To4(); {
		case ip == nil:
		case v4 != nil && kind == dns.TypeA:
			records = append(records, &dns.A{Hdr: header(name, kind), A: v4})
		case v4 == nil && kind == dns.TypeAAAA:
			records = append(records, &dns.AAAA{Hdr: header(name, kind), AAAA: ip})
		}
	}
	return records
}
