package containerd

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
)

// A Network is the bridge that a daemon's pods hang on. Each daemon has its
// own, so that several can run on one machine.
type Network struct {
	name   string // of the CNI network, of the bridge, and in the firewall rules' comment
	subnet netip.Prefix
	mtu    int
}

// ChooseNetwork is the network that the daemon on that folder would have if it
// started now: that of its last start where it still can, else a free one.
func ChooseNetwork(dir string) (Network, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return Network{}, err
	}
	n, err := layout(dir).chooseNetwork()
	if err != nil {
		return Network{}, fmt.Errorf("preparing containerd in %s: %w", dir, err)
	}
	return n, nil
}

// Bridge is the name of the pods' bridge.
func (n Network) Bridge() string { return n.name }

// Gateway is the machine's address on the bridge, the subnet's first: pods reach it whatever else
// the machine's networks are.
func (n Network) Gateway() netip.Addr { return n.subnet.Addr().Next() }

// Subnet is where the pods' addresses are from.
func (n Network) Subnet() netip.Prefix { return n.subnet }

// The subnets to choose from: /20s (4,094 pods) of 10.160.0.0/11, which no
// well-known tool takes by default.
const (
	poolFirst = 10<<24 | 160<<16
	poolBits  = 11
	subnet    = 20
	poolSize  = 1 << (subnet - poolBits)
	// A network larger than this leaves too little: a VPN may route the whole of
	// 10.0.0.0/8, and the bridge's route, being narrower, wins over it.
	widest = 16
)

// conflist is the network's CNI configuration, as written and as read back.
type conflist struct {
	CNIVersion string   `json:"cniVersion"`
	Name       string   `json:"name"`
	Plugins    []plugin `json:"plugins"`
}

type plugin struct {
	Type         string          `json:"type"`
	Bridge       string          `json:"bridge,omitempty"`
	IsGateway    bool            `json:"isGateway,omitempty"`
	HairpinMode  bool            `json:"hairpinMode,omitempty"`
	MTU          int             `json:"mtu,omitempty"`
	IPAM         *ipam           `json:"ipam,omitempty"`
	Backend      string          `json:"backend,omitempty"`
	Capabilities map[string]bool `json:"capabilities,omitempty"`
}

type ipam struct {
	Type    string              `json:"type"`
	Ranges  [][]addressRange    `json:"ranges"`
	Routes  []map[string]string `json:"routes"`
	DataDir string              `json:"dataDir"`
}

type addressRange struct {
	Subnet netip.Prefix `json:"subnet"`
}

func (l layout) conflist() string { return filepath.Join(l.cni(), "10-podling.conflist") }

// chooseNetwork keeps the network of the daemon's last start where it still
// can, because its containers have addresses of it; else it picks a free one.
func (l layout) chooseNetwork() (Network, error) {
	hash := sha256.Sum256([]byte(l))
	n := Network{name: fmt.Sprintf("podling%x", hash[:4])} // 15 letters, as long as an interface's name may be
	taken, mtu, err := n.hostNetworks()
	if err != nil {
		return n, err
	}
	n.mtu = mtu
	if old, err := l.lastSubnet(); err != nil || free(old, taken) {
		n.subnet = old
		return n, err
	}
	start := int(binary.BigEndian.Uint16(hash[4:]))
	for i := range poolSize {
		var address [4]byte
		binary.BigEndian.PutUint32(address[:], poolFirst+uint32((start+i)%poolSize)<<(32-subnet))
		if p := netip.PrefixFrom(netip.AddrFrom4(address), subnet); free(p, taken) {
			n.subnet = p
			return n, nil
		}
	}
	return n, errors.New("no subnet for the pods: every /20 of 10.160.0.0/11 overlaps with a network of this machine")
}

// free says whether p is a subnet that no other network overlaps.
func free(p netip.Prefix, taken []netip.Prefix) bool {
	for _, t := range taken {
		if t.Bits() >= widest && p.Overlaps(t) {
			return false
		}
	}
	return p.IsValid()
}

// lastSubnet reads the subnet of the last start: none is the zero value.
func (l layout) lastSubnet() (netip.Prefix, error) {
	b, err := os.ReadFile(l.conflist())
	if errors.Is(err, fs.ErrNotExist) {
		return netip.Prefix{}, nil
	}
	if err != nil {
		return netip.Prefix{}, err
	}
	var c conflist
	if err := json.Unmarshal(b, &c); err != nil {
		return netip.Prefix{}, fmt.Errorf("%s: %w; remove it to have it written anew", l.conflist(), err)
	}
	for _, p := range c.Plugins {
		if p.IPAM != nil && len(p.IPAM.Ranges) == 1 && len(p.IPAM.Ranges[0]) == 1 {
			return p.IPAM.Ranges[0][0].Subnet, nil
		}
	}
	return netip.Prefix{}, nil
}

// hostNetworks are the IPv4 networks that the machine has an address in or a
// route to, this network's own bridge left out, and the MTU of the way outside.
func (n Network) hostNetworks() ([]netip.Prefix, int, error) {
	var taken []netip.Prefix
	mtu := 1500
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil, 0, err
	}
	mtus := map[string]int{}
	for _, i := range interfaces {
		mtus[i.Name] = i.MTU
		if i.Name == n.name {
			continue
		}
		addresses, err := i.Addrs()
		if err != nil {
			return nil, 0, err
		}
		for _, a := range addresses {
			if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Is4() {
				taken = append(taken, p.Masked())
			}
		}
	}
	routes, err := os.ReadFile("/proc/net/route")
	if err != nil {
		return nil, 0, err
	}
	for line := range strings.Lines(string(routes)) {
		var device string
		var destination, gateway, flags, refs, uses, metric, mask uint32
		if _, err := fmt.Sscanf(line, "%s %x %x %x %d %d %d %x",
			&device, &destination, &gateway, &flags, &refs, &uses, &metric, &mask); err != nil {
			continue // the heading
		}
		switch {
		case mask == 0:
			mtu = mtus[device]
		case device != n.name:
			var d, m [4]byte
			binary.NativeEndian.PutUint32(d[:], destination)
			binary.NativeEndian.PutUint32(m[:], mask)
			ones, _ := net.IPv4Mask(m[0], m[1], m[2], m[3]).Size()
			taken = append(taken, netip.PrefixFrom(netip.AddrFrom4(d), ones))
		}
	}
	return taken, mtu, nil
}

// writeNetwork writes the CNI configuration. Masquerading is not the bridge
// plugin's: it would run iptables some five times for each pod, where one rule
// for the subnet does (see forward.go).
func (l layout) writeNetwork(n Network) error {
	portmap := plugin{Type: "portmap", Capabilities: map[string]bool{"portMappings": true}}
	if iptables() != "" {
		portmap.Backend = "iptables" // said here, the plugin need not find out for each pod
	}
	b, err := json.MarshalIndent(conflist{
		CNIVersion: "1.0.0",
		Name:       n.name,
		Plugins: []plugin{{
			Type: "bridge", Bridge: n.name, IsGateway: true, HairpinMode: true, MTU: n.mtu,
			IPAM: &ipam{
				Type:    "host-local",
				Ranges:  [][]addressRange{{{Subnet: n.subnet}}},
				Routes:  []map[string]string{{"dst": "0.0.0.0/0"}},
				DataDir: l.addresses(),
			},
		}, portmap},
	}, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(l.cni(), 0o700); err != nil {
		return err
	}
	if has, err := os.ReadFile(l.conflist()); err == nil && bytes.Equal(has, b) {
		return nil // a containerd that runs reads what is written at once, even half
	}
	return os.WriteFile(l.conflist(), b, 0o600)
}
