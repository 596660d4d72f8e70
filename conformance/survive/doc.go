// Package survive does to a running podling what machines and people do to one, at each step of
// a pod's start and end, and looks at what became of the pods: `kill -9` of podling, of its
// containerd, of a pod's shim, of the API server under a node; an API server that is away; a
// watch whose past was compacted away; a sandbox or an image that somebody removed; a full disk.
//
// A [Trial] makes pods of several kinds, waits for a step of one of them, strikes, mends what the
// fault broke (a killed podling is started again), and then wants every pod as it should be:
// the same containers where they had started, none twice, restart counts that are the number of
// times that a container really began. At last the pods are deleted, and nothing of them may be
// left on the machine.
//
// In a pod's way it stands around everything: it starts the program as users do, and sees the
// API server, the container runtime's socket and the machine.
package survive
