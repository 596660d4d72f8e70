// Package controlplane runs the Kubernetes control plane in this process: an embedded etcd, and
// upstream's API server, scheduler and controllers as they are, driven through their option types.
//
// A pod passes here first and last: its manifest is authenticated, defaulted, validated and written
// to etcd by the API server, bound by the scheduler, and cleaned up after by the controllers. What
// happens in between is the node's (package kubelet).
//
// Everything speaks TLS with certificates of the control plane's own, kept below Config.DataDir
// together with etcd's data, so that a control plane that was stopped, or killed, goes on with the
// same objects and the same credentials:
//
//	DataDir/            0700
//	  etcd/             etcd's write-ahead log and database
//	  pki/              authorities, certificates and keys, 0600
//	  log/              what the components log; nothing of it goes to the terminal
//	  apiserver.port    the port that the kernel picked, asked for again at the next start
//
// Only this package imports upstream's server side.
package controlplane
