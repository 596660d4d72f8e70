// Package upstream runs Kubernetes' own end-to-end specs (test/e2e of
// k8s.io/kubernetes) on a cluster and says which of them hold.
//
// The suite, the program that plays it and the programs of its images are built
// from the module conformance/e2e, which pins them: in podling's own they would
// ask for a hundred modules more. The images are made of these and of this
// machine's busybox, bash and curl, and served in place of registry.k8s.io, so
// that nothing is pulled from outside.
//
// It sees podling as its users do: a program that is started, and an API server.
package upstream
