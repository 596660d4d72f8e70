// Package nameserver is the cluster's DNS: it answers for Services and pods, and asks the machine's own
// resolvers for all else. It stands beside a pod's way: the sandbox's resolver configuration (package dns)
// names its address, which is the machine's own on the pods' bridge, so that no Service has to lead to it.
//
// The names are those of the Kubernetes DNS specification, version 1.1.0
// (https://github.com/kubernetes/dns/blob/master/docs/specification.md). Where that leaves a choice, they
// are CoreDNS's: an endpoint without a hostname is called by its address with dashes, and so is a pod,
// whether there is one or not ("pods insecure").
package nameserver
