// Package node keeps the Node object: it registers the node, renews its lease, and reports what the
// machine has, how the runtime is, and with that whether pods can run here.
//
// In a pod's way it comes first: the scheduler binds pods to nodes that are Ready, and a Node that
// says NotReady takes no more. The words of its conditions and events are upstream's
// (k8s.io/kubernetes/pkg/kubelet/nodestatus).
//
//	watchRuntime (each second, and when told) ─┐
//	refresh (images; each 10 s) ───────────────┤
//	Short (what eviction found) ───────────────┼─> report: patch the status if it differs
//	the Node as others changed it (watch) ─────┘
//
// The first write carries everything, the conditions too, so that a node is Ready from the moment it
// exists. Upstream's admission taints each new node as not ready; its node lifecycle controller takes
// that taint away when it sees the node's condition, without waiting for another report.
package node
