// Package volume makes a pod's volumes ready on the node and takes them away
// again. It stands between the pod's arrival at the worker and its sandbox: no
// container is created before its volumes are there, and a deleted pod is gone
// only when they are gone too.
//
//	ROOT/pods/UID/                              one folder a pod, as upstream's
//	    volumes/kubernetes.io~TYPE/NAME/        a volume
//	    volume-subpaths/NAME/CONTAINER/INDEX    a mount's subPath, bound there
//	    volumeDevices/kubernetes.io~TYPE/NAME   a block device
//	    plugins/kubernetes.io~TYPE/NAME/        what a plugin notes down for itself
//	ROOT/plugins/                               disks, mounted once for all pods that use them
//	ROOT/plugins_registry/                      where CSI drivers register
//
// The kinds of volumes themselves are upstream's plugins (k8s.io/kubernetes/pkg/volume).
// Those that are made in the pod's own folder, which nearly all pods have and wait
// for, are set up here and side by side: config map, secret, projected, downward
// API, host path and emptyDir, which is podling's own because upstream's starts a
// program for each mount. All others, which are what claims are bound to, file
// systems of other machines, disks and CSI, go through upstream's operations.
package volume
