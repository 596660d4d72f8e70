// Package static is where the node's static pods come from: manifests in a
// folder of the node, which it runs whether there is an API server or not. It
// stands beside kubelet/watch at the beginning of a pod's way.
//
// What others see of a static pod is its mirror: a pod in the API that the node
// makes, that has the static pod's name, and that shows its status. Deleting the
// mirror ends nothing; only the manifest does.
//
// Manifests from a URL, upstream's other source of static pods, are not read.
package static

import (
	"regexp"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	kubetypes "k8s.io/kubernetes/pkg/kubelet/types"
)

// Name is what a static pod and its mirror have in common.
func Name(pod *v1.Pod) types.NamespacedName {
	return types.NamespacedName{Namespace: pod.Namespace, Name: pod.Name}
}

// Mirror is the pod that stands for the static pod in the API of the given node
// (upstream: CreateMirrorPod in pkg/kubelet/pod/mirror_client.go).
func Mirror(pod *v1.Pod, node *v1.Node) *v1.Pod {
	m := pod.DeepCopy()
	m.ResourceVersion = "" // should the manifest come from an API
	m.Annotations[kubetypes.ConfigMirrorAnnotationKey] = hash(pod)
	controller := true
	m.OwnerReferences = []metav1.OwnerReference{{
		APIVersion: v1.SchemeGroupVersion.String(), Kind: "Node", Name: node.Name, UID: node.UID, Controller: &controller,
	}}
	return m
}

// Mirrored is the static pod that the mirror was made for: all that is left of
// it once its manifest is gone.
func Mirrored(mirror *v1.Pod) *v1.Pod {
	pod := mirror.DeepCopy()
	pod.UID, pod.ResourceVersion, pod.Generation, pod.OwnerReferences = Of(mirror), "", 0, nil
	pod.DeletionTimestamp, pod.DeletionGracePeriodSeconds = nil, nil
	delete(pod.Annotations, kubetypes.ConfigMirrorAnnotationKey)
	pod.Annotations[kubetypes.ConfigSourceAnnotationKey] = kubetypes.FileSource
	return pod
}

// Mirrors says whether the mirror is that of the static pod as it is now, and
// not of what another manifest of that name said.
func Mirrors(mirror, pod *v1.Pod) bool {
	of, is := mirror.Annotations[kubetypes.ConfigMirrorAnnotationKey]
	return is && of == hash(pod) && Name(mirror) == Name(pod)
}

// Of is the UID of the static pod that the mirror was made for.
func Of(mirror *v1.Pod) types.UID {
	return types.UID(mirror.Annotations[kubetypes.ConfigHashAnnotationKey])
}

// Hashed says whether a UID was made from a manifest: no pod of the API has one
// like it.
func Hashed(uid types.UID) bool { return hashed.MatchString(string(uid)) }

var hashed = regexp.MustCompile(`^[0-9a-f]{32}$`) // FNV-1a, 128 bits

// hash tells one content of a manifest from another.
func hash(pod *v1.Pod) string { return pod.Annotations[kubetypes.ConfigHashAnnotationKey] }
