// Package eviction ends pods so that the node and its other pods live: those that write more to the
// node's disks than they may, and, when the node runs short of memory, disk or process ids, one
// after the other until it has enough again.
//
// In a pod's way it is one of the ends. It reads what stats measures and decides; the pod's worker
// carries the decision out (lifecycle.Eviction), and while the node is short of something its
// admission refuses pods.
//
//	measure ── machine, pods
//	limits  ── a pod over its own limits is evicted, whatever the node has left
//	pressure ─ thresholds met: conditions of the node, and after their grace period
//	           reclaim (dead containers, images) ── enough? ── no: rank, evict the first, wait until it is gone
//
// The rules and words are upstream's (k8s.io/kubernetes/pkg/kubelet/eviction).
package eviction
