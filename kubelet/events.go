package kubelet

import (
	"context"
	"hash/fnv"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	typedv1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/record"
	"k8s.io/client-go/util/flowcontrol"

	"github.com/podling/podling/lifecycle"
)

// lanes is how many Events are written side by side. Those of one pod are written one
// after the other, in one lane; a broadcaster writes no faster than the API answers.
const lanes = 8

// recorder writes the node's Events, under the name that upstream's kubelet
// writes them: people and tools look for it.
type recorder struct {
	record.EventRecorder // of the node itself
	broadcasters         [lanes]record.EventBroadcaster
	pods                 [lanes]record.EventRecorder
	client               kubernetes.Interface
	allowed              flowcontrol.PassiveRateLimiter // of Events about pods; what is too much is not written. Nil: all are
}

func newRecorder(client kubernetes.Interface, node string) *recorder {
	r := &recorder{client: client}
	for i := range r.broadcasters {
		r.broadcasters[i] = record.NewBroadcaster()
	}
	return r.on(node)
}

// on is a recorder of that node which writes in the same lanes.
func (r *recorder) on(node string) *recorder {
	out := *r
	for i := range out.pods {
		out.pods[i] = r.broadcasters[i].NewRecorder(scheme.Scheme, v1.EventSource{Component: "kubelet", Host: node})
	}
	out.EventRecorder = out.pods[0]
	return &out
}

func (r *recorder) start(ctx context.Context) {
	for _, b := range r.broadcasters {
		b.StartRecordingToSink(&typedv1.EventSinkImpl{Interface: r.client.CoreV1().Events("")})
	}
}

func (r *recorder) stop() {
	for _, b := range r.broadcasters {
		b.Shutdown()
	}
}

// of is the lane of the pod's Events.
func (r *recorder) of(pod *v1.Pod) record.EventRecorder {
	h := fnv.New32a()
	_, _ = h.Write([]byte(pod.UID)) // never fails
	return r.pods[h.Sum32()%lanes]
}

// pod records an Event about a pod.
func (r *recorder) pod(pod *v1.Pod, kind, reason, message string) {
	r.lifecycle(pod, lifecycle.Event{Type: kind, Reason: reason, Message: message})
}

// lifecycle records an Event that the core or a worker asks for.
func (r *recorder) lifecycle(pod *v1.Pod, e lifecycle.Event) {
	if r.allowed != nil && !r.allowed.TryAccept() {
		return
	}
	var about runtime.Object = pod
	if e.Container != "" || pod.Kind == "" {
		about = pointTo(pod, e.Container)
	}
	r.of(pod).Event(about, e.Type, e.Reason, e.Message)
}

// pointTo points at the pod, or at one of its containers.
func pointTo(pod *v1.Pod, container string) *v1.ObjectReference {
	ref := &v1.ObjectReference{APIVersion: "v1", Kind: "Pod", Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID, ResourceVersion: pod.ResourceVersion}
	if container == "" {
		return ref
	}
	in := func(list []v1.Container) bool {
		for _, c := range list {
			if c.Name == container {
				return true
			}
		}
		return false
	}
	switch {
	case in(pod.Spec.Containers):
		ref.FieldPath = "spec.containers{" + container + "}"
	case in(pod.Spec.InitContainers):
		ref.FieldPath = "spec.initContainers{" + container + "}"
	default:
		ref.FieldPath = "spec.ephemeralContainers{" + container + "}"
	}
	return ref
}
