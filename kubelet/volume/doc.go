// Package volume makes a pod's volumes ready on the node and takes them away
// again. It stands between the pod's arrival at the worker and its sandbox: no
// container is created before its volumes are there, and a deleted pod is gone
// only when they are gone too.
//
//	ROOT/pods/UID/                              one folder a pod, as upstream's
//	    volumes/kubernetes.io~TYPE/NAME/        a volume
//	    volume-subpaths/NAME/CONTAINER/INDEX    a mount's subPath, bound there
//	    plugins/kubernetes.io~TYPE/NAME/        what a plugin notes down for itself
//
// The kinds of volumes themselves are upstream's plugins (k8s.io/kubernetes/pkg/volume):
// config map, secret, projected, downward API and host path. Only emptyDir,
// which the others are made in, is podling's own, because upstream's starts a
// program for each mount; those of huge pages are upstream's too.
package volume
