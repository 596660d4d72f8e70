// Package cluster brings the whole up and takes it down again, in order: the control plane and the
// container runtime side by side, then the node. It is what `podling up` and `podling run` start.
//
// A pod does not pass here; this package only builds the road.
//
//	data folder locked ──► control plane ──┬──► node ──► Ready
//	                  └──► containerd ─────┘
//
// Whatever fails, everything that was started before is stopped again before Up returns, and Stop
// goes the same way backwards.
package cluster
