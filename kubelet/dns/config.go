package dns

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// What resolvers take at most (upstream: MaxDNSNameservers and its kin in
// pkg/apis/core/validation, maxResolvConfLength in pkg/kubelet/network/dns).
const (
	maxNameservers = 3
	maxSearches    = 32
	maxSearchChars = 2048
	maxResolvConf  = 10 << 20
)

// Config is the resolver configuration of a pod's sandbox, by its dnsPolicy and
// dnsConfig. Without a cluster DNS address, ClusterFirst is the host's resolvConf,
// as upstream's is; an empty resolvConf means that the host has no resolver but
// itself. Entries beyond what resolvers take are left out, and warn is told of
// them, in the words of upstream's Event DNSConfigForming.
func Config(pod *v1.Pod, clusterDNS []string, clusterDomain, resolvConf string, warn func(message string)) (*runtimeapi.DNSConfig, error) {
	host, err := readHost(resolvConf)
	if err != nil {
		return nil, err
	}
	config := host
	switch policy := effective(pod); {
	case policy == v1.DNSNone:
		config = &runtimeapi.DNSConfig{}
	case policy == v1.DNSClusterFirst && len(clusterDNS) > 0:
		config.Servers = slices.Clone(clusterDNS)
		if clusterDomain != "" {
			config.Searches = distinct(append([]string{
				pod.Namespace + ".svc." + clusterDomain, "svc." + clusterDomain, clusterDomain,
			}, host.Searches...))
		}
		config.Options = []string{"ndots:5"}
	case resolvConf == "":
		config.Servers, config.Searches = []string{"127.0.0.1"}, []string{"."}
	}
	if own := pod.Spec.DNSConfig; own != nil {
		config.Servers = distinct(append(config.Servers, own.Nameservers...))
		config.Searches = distinct(append(config.Searches, own.Searches...))
		for _, o := range own.Options {
			config.Options = setOption(config.Options, o.Name, o.Value)
		}
	}
	if len(config.Servers) > maxNameservers {
		config.Servers = config.Servers[:maxNameservers]
		warn("Nameserver limits were exceeded, some nameservers have been omitted, the applied nameserver line is: " + strings.Join(config.Servers, " "))
	}
	all := len(config.Searches)
	if config.Searches = fit(config.Searches); len(config.Searches) < all {
		warn("Search Line limits were exceeded, some search paths have been omitted, the applied search line is: " + strings.Join(config.Searches, " "))
	}
	return config, nil
}

// effective is the policy that holds: ClusterFirst for those which use the
// cluster's DNS, Default for those which use the host's.
func effective(pod *v1.Pod) v1.DNSPolicy {
	switch policy := pod.Spec.DNSPolicy; {
	case policy == v1.DNSNone, policy == v1.DNSDefault:
		return policy
	case policy == v1.DNSClusterFirst && pod.Spec.HostNetwork:
		return v1.DNSDefault
	}
	return v1.DNSClusterFirst
}

// readHost reads the host's resolv.conf.
func readHost(file string) (*runtimeapi.DNSConfig, error) {
	if file == "" {
		return &runtimeapi.DNSConfig{}, nil
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("reading the host's resolver configuration: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxResolvConf+1))
	if err != nil {
		return nil, fmt.Errorf("reading the host's resolver configuration: %w", err)
	}
	if len(data) > maxResolvConf {
		return nil, fmt.Errorf("the host's resolver configuration %s is longer than %d bytes", file, maxResolvConf)
	}
	config := &runtimeapi.DNSConfig{}
	for line := range strings.Lines(string(data)) {
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		switch fields[0] {
		case "nameserver":
			if len(fields) < 2 {
				return nil, fmt.Errorf("the host's resolver configuration %s has a nameserver line without an address", file)
			}
			config.Servers = append(config.Servers, fields[1])
		case "search": // the last one holds
			config.Searches = nil
			for _, s := range fields[1:] {
				if s != "." {
					config.Searches = append(config.Searches, strings.TrimSuffix(s, "."))
				}
			}
		case "options":
			for _, o := range fields[1:] {
				name, value, valued := strings.Cut(o, ":")
				if valued {
					config.Options = setOption(config.Options, name, &value)
				} else {
					config.Options = setOption(config.Options, name, nil)
				}
			}
		}
	}
	return config, nil
}

// setOption adds an option, or changes the one of that name where it stands.
func setOption(options []string, name string, value *string) []string {
	option := name
	if value != nil && *value != "" {
		option += ":" + *value
	}
	for i, o := range options {
		if other, _, _ := strings.Cut(o, ":"); other == name {
			options[i] = option
			return options
		}
	}
	return append(options, option)
}

// fit leaves out search paths that no resolver takes (some abort over them):
// those beyond the count, those too long, then the last until the line is short
// enough.
func fit(searches []string) []string {
	searches = slices.Clone(searches[:min(len(searches), maxSearches)])
	searches = slices.DeleteFunc(searches, func(s string) bool { return len(s) > validation.DNS1123SubdomainMaxLength })
	for len(strings.Join(searches, " ")) > maxSearchChars {
		searches = searches[:len(searches)-1]
	}
	return searches
}

// distinct keeps the first of equal entries.
func distinct(list []string) []string {
	var out []string
	for _, s := range list {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}
