// Package server is the node's own port: what kubectl logs, exec, attach and port-forward reach
// through the API server, and what scrapes the node.
//
// It stands beside a pod's way, not in it: it reads the pods that the node has and asks the runtime,
// and changes neither. The paths are those of upstream's kubelet (k8s.io/kubernetes/pkg/kubelet/server):
//
//	/healthz, /pods, /configz, /metrics
//	/stats/summary, /metrics/resource            what the node and its pods use
//	/metrics/probes                              what its pods' probes came to
//	/containerLogs/NAMESPACE/POD/CONTAINER       the container's log, as far as the query asks for it
//	/exec, /attach, /run .../NAMESPACE/POD[/UID]/CONTAINER
//	/portForward/NAMESPACE/POD[/UID]
//
// and some of podling's own:
//
//	/podling/faults    what runtime/fault makes fail
//	/podling/clock     what the node goes by; .../advance, .../pause and .../resume move a virtual one
//	/podling/sim       what simulated containers do
//
// Whoever calls shows a client certificate by an authority that the node trusts, or a bearer token
// that the API server knows, and needs rights on the Node: nodes/stats, nodes/metrics, nodes/pods,
// nodes/healthz, nodes/configz, or nodes/proxy for all but the first two.
package server
