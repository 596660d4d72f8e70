package kubelet

import (
	"context"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	typedv1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/record"

	"github.com/podling/podling/lifecycle"
)

// recorder writes the node's Events, under the name that upstream's kubelet
// writes them: people and tools look for it.
type recorder struct {
	record.EventRecorder
	broadcaster record.EventBroadcaster
	client      kubernetes.Interface
}

func newRecorder(client kubernetes.Interface, node string) *recorder {
	b := record.NewBroadcaster()
	return &recorder{broadcaster: b, client: client,
		EventRecorder: b.NewRecorder(scheme.Scheme, v1.EventSource{Component: "kubelet", Host: node})}
}

func (r *recorder) start(ctx context.Context) {
	r.broadcaster.StartRecordingToSink(&typedv1.EventSinkImpl{Interface: r.client.CoreV1().Events("")})
}

func (r *recorder) stop() { r.broadcaster.Shutdown() }

// pod records an Event about a pod.
func (r *recorder) pod(pod *v1.Pod, kind, reason, message string) {
	r.lifecycle(pod, lifecycle.Event{Type: kind, Reason: reason, Message: message})
}

// lifecycle records an Event that the core or a worker asks for.
func (r *recorder) lifecycle(pod *v1.Pod, e lifecycle.Event) {
	var about runtime.Object = pod
	if e.Container != "" || pod.Kind == "" {
		about = pointTo(pod, e.Container)
	}
	r.Event(about, e.Type, e.Reason, e.Message)
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
