// Package conformance holds a cluster to what upstream Kubernetes was recorded
// doing with the same pods.
//
// A scenario is a folder: pod.yaml is applied, steps.sh says what is done to it,
// golden.json keeps what upstream showed. A [Runner] plays scenarios side by side
// on any cluster and records what a person could have seen: each pod's states as
// a watch tells them, kubectl's READY, STATUS and RESTARTS columns, and the reasons
// of its Events. [Check] then asks two things of a recording: everything that all
// of upstream's recordings share ("must") was shown, in order, and nothing was
// shown that none of them has ("may").
//
// In a pod's way this package stands at the far end: it sees only what the API
// server tells everybody, and knows nothing of the node that made it.
package conformance
