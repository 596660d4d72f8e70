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
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/ptr"
)

const (
	// ttl is how long, in seconds, answers may be kept; CoreDNS's default.
	ttl = 5
	// specification is what dns-version says: the version that is kept to.
	specification = "1.1.0"

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
	return n.follow(asked, nil)
}

// follow is find for a name that the seen ones, which are ExternalNames, have led to.
func (n *names) follow(asked dns.Question, seen []string) found {
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
		return n.service(asked, labels[:last], seen)
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

// service is what [[_PORT._PROTOCOL.|ENDPOINT.]SERVICE.]NAMESPACE is.
func (n *names) service(asked dns.Question, labels []string, seen []string) found {
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
	if service.Spec.Type == v1.ServiceTypeExternalName {
		if _, err := netip.ParseAddr(service.Spec.ExternalName); err == nil || len(below) > 0 {
			return found{} // an address is no name
		}
		return n.external(asked, service.Spec.ExternalName, seen)
	}
	if len(below) > 2 {
		return found{}
	}
	return where(asked, n.places(service, below))
}

// external is the name that an ExternalName stands for, and what that is. Those that lead back to where
// they were end there; one that leads to itself says nothing.
func (n *names) external(asked dns.Question, target string, seen []string) found {
	target = dns.Fqdn(target)
	seen = append(seen, lower(asked.Name))
	if lower(target) == lower(asked.Name) {
		return found{exists: true}
	}
	f := found{exists: true, answer: []dns.RR{&dns.CNAME{Hdr: header(asked.Name, dns.TypeCNAME), Target: target}}}
	switch {
	case asked.Qtype == dns.TypeCNAME || slices.Contains(seen, lower(target)):
	case !n.has(target):
		f.outside = target
	default:
		asked.Name = target
		further := n.follow(asked, seen)
		f.answer, f.outside = append(f.answer, further.answer...), further.outside
	}
	return f
}

// A place is a port of an address, which has a name. Without ports there is one at port 0.
type place struct {
	name, address string
	port          uint16
}

// places are all of a Service that are meant by what stands before its name: nothing, an endpoint, or a
// port and its protocol. They are at its own addresses, or those of its endpoints if it has none or one of
// them was asked for.
func (n *names) places(service *v1.Service, below []string) (all []place) {
	meant := func(port string, protocol v1.Protocol) bool {
		return len(below) < 2 || below[0] == "_"+port && below[1] == strings.ToLower("_"+string(protocol))
	}
	name := service.Name + "." + service.Namespace + ".svc." + n.domain
	if service.Spec.ClusterIP != v1.ClusterIPNone && len(below) != 1 {
		for _, port := range service.Spec.Ports {
			for _, ip := range service.Spec.ClusterIPs {
				if meant(port.Name, port.Protocol) {
					all = append(all, place{name, ip, uint16(port.Port)})
				}
			}
		}
		return all
	}
	for _, e := range n.endpoints(service) {
		if len(below) == 1 && below[0] != e.name {
			continue
		}
		for _, port := range e.ports {
			if meant(ptr.Deref(port.Name, ""), ptr.Deref(port.Protocol, v1.ProtocolTCP)) {
				all = append(all, place{e.name + "." + name, e.address, uint16(ptr.Deref(port.Port, 0))})
			}
		}
		if len(e.ports) == 0 && len(below) < 2 {
			all = append(all, place{name: e.name + "." + name, address: e.address})
		}
	}
	return all
}

// where says of places their addresses, or their ports (SRV). A name without any is none, says the
// specification, even if there is a Service (2.4.1).
func where(asked dns.Question, places []place) found {
	f := found{exists: len(places) > 0}
	if asked.Qtype != dns.TypeSRV {
		var ips []string
		for _, p := range places {
			ips = append(ips, p.address)
		}
		slices.Sort(ips)
		f.answer = addresses(asked.Name, asked.Qtype, slices.Compact(ips))
		return f
	}
	type target struct {
		name string
		port uint16
	}
	targets, hosts := sets.New[target](), sets.New[place]()
	for _, p := range places {
		if p.port > 0 {
			targets.Insert(target{p.name, p.port})
			hosts.Insert(place{name: p.name, address: p.address})
		}
	}
	for t := range targets {
		weight := uint16(max(1, 100/len(targets)))
		f.answer = append(f.answer, &dns.SRV{Hdr: header(asked.Name, dns.TypeSRV), Weight: weight, Port: t.port, Target: t.name})
	}
	for h := range hosts {
		f.extra = append(f.extra, addresses(h.name, dns.TypeA, []string{h.address})...)
		f.extra = append(f.extra, addresses(h.name, dns.TypeAAAA, []string{h.address})...)
	}
	return f
}

// An endpoint is what is behind a Service and may be led to.
type endpoint struct {
	name, address string
	ports         []discovery.EndpointPort
}

func (n *names) endpoints(service *v1.Service) (all []endpoint) {
	objects, err := n.slices.ByIndex(byService, service.Namespace+"/"+service.Name)
	if err != nil {
		return nil // there is that index
	}
	for _, object := range objects {
		all = append(all, ready(object.(*discovery.EndpointSlice))...)
	}
	return all
}

// ready are the endpoints of a slice that may be led to; nil means that it is not known, and so ready.
func ready(slice *discovery.EndpointSlice) (all []endpoint) {
	for _, e := range slice.Endpoints {
		if !ptr.Deref(e.Conditions.Ready, true) {
			continue
		}
		for _, address := range e.Addresses {
			all = append(all, endpoint{endpointName(e, address), address, slice.Ports})
		}
	}
	return all
}

func endpointName(e discovery.Endpoint, address string) string {
	if name := ptr.Deref(e.Hostname, ""); name != "" {
		return name
	}
	return strings.NewReplacer(".", "-", ":", "-").Replace(address)
}

// named is the name of an address that is asked for by its reverse (PTR), if a Service has it or, as
// CoreDNS has it, any endpoint.
func (n *names) named(asked dns.Question) (found, bool) {
	reverse, ok := strings.CutSuffix(lower(asked.Name), ".in-addr.arpa.")
	if !ok || asked.Qtype != dns.TypePTR || asked.Qclass != dns.ClassINET {
		return found{}, false
	}
	labels := strings.Split(reverse, ".")
	slices.Reverse(labels)
	address := strings.Join(labels, ".")
	f := found{exists: true}
	add := func(name string) {
		f.answer = append(f.answer, &dns.PTR{Hdr: header(asked.Name, dns.TypePTR), Ptr: name + ".svc." + n.domain})
	}
	services, err := n.services.ByIndex(byAddress, address)
	if err != nil {
		return found{}, false
	}
	for _, object := range services {
		service := object.(*v1.Service)
		add(service.Name + "." + service.Namespace)
	}
	if len(services) > 0 {
		return f, true
	}
	behind, err := n.slices.ByIndex(byAddress, address)
	if err != nil {
		return found{}, false
	}
	for _, object := range behind {
		slice := object.(*discovery.EndpointSlice)
		for _, e := range ready(slice) {
			if e.address == address {
				add(e.name + "." + slice.Labels[discovery.LabelServiceName] + "." + slice.Namespace)
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
