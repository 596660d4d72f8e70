package static

import (
	"encoding/hex"
	"errors"
	"fmt"
	"hash/fnv"
	"strings"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	podutil "k8s.io/kubernetes/pkg/api/pod"
	api "k8s.io/kubernetes/pkg/apis/core"
	"k8s.io/kubernetes/pkg/apis/core/helper"
	_ "k8s.io/kubernetes/pkg/apis/core/install" // the scheme that knows pods and their defaults
	apiv1 "k8s.io/kubernetes/pkg/apis/core/v1"
	"k8s.io/kubernetes/pkg/apis/core/validation"
	kubetypes "k8s.io/kubernetes/pkg/kubelet/types"
	deephash "k8s.io/kubernetes/pkg/util/hash"
)

// decode makes the pod that the node runs out of a manifest in YAML or JSON:
// with the API's defaults, checked as the API server checks, named after its
// node (upstream: tryDecodeSinglePod and applyDefaults in
// pkg/kubelet/config/common.go). The UID is a hash of all of it, the same as
// upstream's, so that a pod goes on through restarts of the node and another
// content is another pod.
func decode(file string, manifest []byte, node string) (*v1.Pod, error) {
	json, err := yaml.ToJSON(manifest)
	if err != nil {
		return nil, err
	}
	object, err := runtime.Decode(legacyscheme.Codecs.UniversalDecoder(), json)
	if err != nil {
		return nil, err
	}
	pod, ok := object.(*api.Pod)
	if !ok {
		return nil, fmt.Errorf("kind: only a Pod can be static, not a %s", kindOf(object))
	}
	if pod.Name == "" {
		return nil, errors.New("invalid pod: name is needed for the pod")
	}
	if _, is := pod.Annotations[kubetypes.ConfigMirrorAnnotationKey]; is {
		return nil, fmt.Errorf("metadata.annotations[%s]: the pod is another's mirror; leave the annotation out", kubetypes.ConfigMirrorAnnotationKey)
	}
	if strings.ContainsAny(string(pod.UID), "/.") { // folders are named after it
		return nil, fmt.Errorf("metadata.uid: %q cannot be one; leave it out", pod.UID)
	}
	complete(pod, file, node)
	options := podutil.GetValidationOptionsFromPodSpecAndMeta(&pod.Spec, nil, &pod.ObjectMeta, nil)
	if errs := validation.ValidatePodCreate(pod, options); len(errs) > 0 {
		return nil, fmt.Errorf("invalid pod: %w", errs.ToAggregate())
	}
	_, kind, err := podutil.HasAPIObjectReference(pod)
	if err != nil {
		return nil, err
	}
	if kind != "" { // it has to run without an API server (upstream's feature PreventStaticPodAPIReferences)
		return nil, fmt.Errorf("static pods may not reference %s", kind)
	}
	out := &v1.Pod{}
	if err := apiv1.Convert_core_Pod_To_v1_Pod(pod, out, nil); err != nil {
		return nil, err
	}
	out.Annotations[kubetypes.ConfigSourceAnnotationKey] = kubetypes.FileSource
	return out, nil
}

// complete gives the pod what a static pod has and its manifest does not say.
func complete(pod *api.Pod, file, node string) {
	if pod.UID == "" {
		sum := fnv.New128a()
		deephash.DeepHashObject(sum, pod) // resets it first
		fmt.Fprintf(sum, "host:%s", node)
		fmt.Fprintf(sum, "file:%s", file)
		pod.UID = types.UID(hex.EncodeToString(sum.Sum(nil)))
	}
	pod.Name = pod.Name + "-" + strings.ToLower(node)
	if pod.Namespace == "" {
		pod.Namespace = metav1.NamespaceDefault
	}
	pod.Spec.NodeName = node
	if pod.Annotations == nil {
		pod.Annotations = map[string]string{}
	}
	pod.Annotations[kubetypes.ConfigHashAnnotationKey] = string(pod.UID)
	// Trouble of the node is no reason to end it: nobody would put it anywhere else.
	helper.AddOrUpdateTolerationInPod(pod, &api.Toleration{Operator: api.TolerationOpExists, Effect: api.TaintEffectNoExecute})
	pod.Status.Phase = api.PodPending
}

// kindOf is what the manifests call such an object.
func kindOf(object runtime.Object) string {
	kinds, _, err := legacyscheme.Scheme.ObjectKinds(object)
	if err != nil {
		return fmt.Sprintf("%T", object)
	}
	return kinds[0].Kind
}
