// Package proxy gives Services their addresses: upstream's kube-proxy, in process, in its iptables
// mode. It stands beside a pod's way: what a container sends to a Service's cluster IP, node port or
// load balancer address is led to one of the pods behind it by rules of the kernel's.
//
// Several podlings may run on one machine, each with a cluster of its own and all with the same cluster
// IPs. So each has chains with names of its own, which take the place of upstream's KUBE-, and the
// packets of another podling's pods pass them by. That is why the mode is iptables: upstream's nftables
// mode has one table for the machine, whose name cannot be chosen. Where the iptables command is the one
// that most distributions have today, its rules are nftables' all the same.
package proxy
