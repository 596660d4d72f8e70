package kubelet

import (
	"testing"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// TestPodCIDR: each node has a range of its own, in which there is room for two pods for each that the
// largest node takes.
func TestPodCIDR(t *testing.T) {
	large := &v1.Node{Status: v1.NodeStatus{Capacity: v1.ResourceList{v1.ResourcePods: resource.MustParse("3000")}}}
	endless := &v1.Node{Status: v1.NodeStatus{Capacity: v1.ResourceList{v1.ResourcePods: resource.MustParse("9E")}}}
	for _, c := range []struct {
		name string
		cfg  FleetConfig
		node int
		want string
	}{
		{"usual", FleetConfig{MaxPods: 110}, 0, "10.0.0.0/22"},
		{"the next", FleetConfig{MaxPods: 110}, 1, "10.0.4.0/22"},
		{"the last but one", FleetConfig{MaxPods: 110}, 1<<14 - 1, "10.255.252.0/22"},
		{"one too many", FleetConfig{MaxPods: 110}, 1 << 14, "10.0.0.0/22"},
		{"2,000 pods each", FleetConfig{MaxPods: 2000, Nodes: []*v1.Node{{}}}, 3, "10.0.48.0/20"},
		{"one that takes more", FleetConfig{MaxPods: 110, Nodes: []*v1.Node{{}, large}}, 0, "10.0.0.0/19"},
		{"one that takes all", FleetConfig{MaxPods: 110, Nodes: []*v1.Node{endless}}, 5, "10.0.0.0/8"},
	} {
		if got := podCIDR(c.node, c.cfg.podBits()).String(); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}
