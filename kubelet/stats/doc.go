// Package stats measures what the machine has left and what each pod uses of it, in the words of
// upstream's summary API (k8s.io/kubelet/pkg/apis/stats/v1alpha1).
//
// In a pod's way it stands beside it: while the pod runs, eviction compares these figures with what
// the pod was allowed and with what the node must keep free.
//
//	Machine   memory, file systems, processes: some reads and statfs calls, no walk
//	Pods      per container what the runtime and its cgroup say; logs and volumes are walked
package stats
