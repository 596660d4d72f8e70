// Package dns says how a pod's containers find names: the resolver configuration
// of its sandbox, its hosts file, and the names it has itself. It stands before
// the sandbox is created, which gets its host name and resolver from here, and
// before containers are, which get the hosts file.
package dns
