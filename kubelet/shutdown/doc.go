// Package shutdown ends a node's pods in order before the node's machine goes down.
//
// In a pod's way it is one of the ends, as eviction is: the pod's worker carries out what is decided
// here (lifecycle.Eviction), and until the machine is down its admission refuses pods.
//
//	logind ── the machine is about to shut down, and waits for those who asked it to
//	down   ── or somebody asks for it: podling down --pods
//	groups ── pods by priority, the lowest first, each group with its time
//	manage ── one group after the other: evict, wait until it is gone or its time is over
//
// The rules and words are upstream's (k8s.io/kubernetes/pkg/kubelet/nodeshutdown, KEP-2000, KEP-2712).
package shutdown
