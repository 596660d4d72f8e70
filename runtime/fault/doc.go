// Package fault makes what a node asks of its container runtime fail, be slow or
// hang, by rules, so that what Kubernetes does then can be seen and tested.
//
// It stands between the node and whatever runs the containers: Faults wraps the
// CRI's two services, and a call goes through to the runtime unless a rule
// strikes it. The node says in the context for which pod and container it calls
// (For). Besides calls there are the node's own steps around making a container,
// which nothing else can make fail, and states of the runtime as a whole.
//
// Rules come from three places: a pod's annotation (Annotation), for the calls
// made for that pod; `podling fault add`, through the node's port; and Go code.
// They live as long as the node's process: a fault that outlives a restart is one
// that somebody forgets. Annotations are read again with their pods.
//
// Without rules a call costs one atomic load more.
package fault
