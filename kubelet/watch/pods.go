// Package watch is where news comes in: pods from the API server, container
// events from the runtime.
package watch

import (
	"context"
	"maps"
	"slices"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	apiwatch "k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	kubetypes "k8s.io/kubernetes/pkg/kubelet/types"
)

// podNode is the field that says where a pod is bound to.
const podNode = "spec.nodeName"

// Pods are the pods that are bound to a node, kept up to date by a watch.
type Pods struct {
	informer cache.SharedIndexInformer
}

// NewPods watches the node's pods, or, where node is "", those of all nodes. on is
// called for each pod that is new or changed (gone false) and for each that left the
// API (gone true).
func NewPods(client kubernetes.Interface, node string, on func(pod *v1.Pod, gone bool)) (*Pods, error) {
	selector := fields.OneTermEqualSelector(podNode, node).String()
	if node == "" {
		selector = fields.OneTermNotEqualSelector(podNode, "").String()
	}
	lw := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			o.FieldSelector = selector
			return client.CoreV1().Pods("").List(ctx, o)
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (apiwatch.Interface, error) {
			o.FieldSelector = selector
			return client.CoreV1().Pods("").Watch(ctx, o)
		},
	}
	p := &Pods{informer: cache.NewSharedIndexInformer(lw, &v1.Pod{}, 0, cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc})}
	if err := p.informer.SetTransform(dropManagedFields); err != nil {
		return nil, err
	}
	since := since{}
	_, err := p.informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: func(o any) { on(since.mark(o.(*v1.Pod)), false) },
		UpdateFunc: func(was, is any) {
			old, pod := was.(*v1.Pod), is.(*v1.Pod)
			if old.UID != pod.UID { // deleted and made anew between two looks
				delete(since, old.UID)
				on(old, true)
			}
			on(since.mark(pod), false)
		},
		DeleteFunc: func(o any) {
			if d, ok := o.(cache.DeletedFinalStateUnknown); ok {
				o = d.Obj
			}
			if pod, ok := o.(*v1.Pod); ok {
				delete(since, pod.UID)
				on(pod, true)
			}
		},
	})
	return p, err
}

// dropManagedFields saves the memory of what a node has no use for: who wrote which field.
func dropManagedFields(o any) (any, error) {
	if pod, ok := o.(*v1.Pod); ok {
		pod.ManagedFields = nil
	}
	return o, nil
}

// since is when each pod was first seen, as it is written into its annotations.
type since map[types.UID]string

// mark writes into a copy of the pod where it is from and since when it is known,
// as upstream's kubelet does (pkg/kubelet/config): downward API volumes show it,
// and no pod of the API passes for a static one, whatever its annotations say.
func (s since) mark(pod *v1.Pod) *v1.Pod {
	if s[pod.UID] == "" {
		s[pod.UID] = kubetypes.NewTimestamp().GetString()
	}
	marked := *pod
	marked.Annotations = maps.Clone(pod.Annotations)
	if marked.Annotations == nil {
		marked.Annotations = map[string]string{}
	}
	marked.Annotations[kubetypes.ConfigSourceAnnotationKey] = kubetypes.ApiserverSource
	marked.Annotations[kubetypes.ConfigFirstSeenAnnotationKey] = s[pod.UID]
	return &marked
}

// Run watches until ctx ends.
func (p *Pods) Run(ctx context.Context) { p.informer.RunWithContext(ctx) }

// Synced waits until the first list has been handed out; false if ctx ended before.
func (p *Pods) Synced(ctx context.Context) bool {
	for !p.informer.HasSynced() {
		select {
		case <-ctx.Done():
			return false
		case <-time.After(5 * time.Millisecond):
		}
	}
	return true
}

// On gives the pods that are bound to the node, as the API had them last.
func (p *Pods) On(node string) []*v1.Pod {
	return slices.DeleteFunc(p.List(), func(pod *v1.Pod) bool { return pod.Spec.NodeName != node })
}

// List gives the node's pods as the API had them last.
func (p *Pods) List() []*v1.Pod {
	var out []*v1.Pod
	for _, o := range p.informer.GetStore().List() {
		out = append(out, o.(*v1.Pod))
	}
	return out
}
