// Package cgroup gives each pod its control group, and says what limits its containers get.
//
// In a pod's way it stands between the decision to start a sandbox and the runtime: Ensure makes the
// group that the sandbox and its containers are put into, so that what the pod asks for (requests,
// limits, its class of service) holds for the pod as a whole. The groups of one node are
//
//	ROOT/kubepods/podUID               Guaranteed
//	ROOT/kubepods/burstable/podUID     Burstable; the class has the shares of all its pods
//	ROOT/kubepods/besteffort/podUID    BestEffort; the class has the least shares there are
//
// where ROOT is the node's own, so that several nodes on one machine do not meet. The layout is that
// of upstream with the cgroupfs driver (k8s.io/kubernetes/pkg/kubelet/cm).
//
// Cgroup v1, v1 with a v2 hierarchy beside it (hybrid) and v2 work. A controller that the machine
// lacks takes its limits with it and nothing else; Missing says which.
package cgroup
