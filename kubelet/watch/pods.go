// Package watch is where news comes in: pods from the API server, container
// events from the runtime.
package watch

import (
	"context"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	apiwatch "k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	kubetypes "k8s.io/kubernetes/pkg/kubelet/types"
)

// Pods are the pods that are bound to one node, kept up to date by a watch.
type Pods struct {
	informer cache.SharedIndexInformer
}

// NewPods watches the node's pods. on is called for each pod that is new or
// changed (gone false) and for each that left the API (gone true).
func NewPods(client kubernetes.Interface, node string, on func(pod *v1.Pod, gone bool)) (*Pods, error) {
	selector := fields.OneTermEqualSelector("spec.nodeName", node).String()
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
	if err := p.informer.SetTransform(fromAPI); err != nil {
		return nil, err
	}
	_, err := p.informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: func(o any) { on(o.(*v1.Pod), false) },
		UpdateFunc: func(was, is any) {
			old, pod := was.(*v1.Pod), is.(*v1.Pod)
			if old.UID != pod.UID { // deleted and made anew between two looks
				on(old, true)
			}
			on(pod, false)
		},
		DeleteFunc: func(o any) {
			if d, ok := o.(cache.DeletedFinalStateUnknown); ok {
				o = d.Obj
			}
			if pod, ok := o.(*v1.Pod); ok {
				on(pod, true)
			}
		},
	})
	return p, err
}

// fromAPI lets no pod of the API pass for a static one, whatever its annotations
// say (upstream's kubelet writes where a pod is from into each of them).
func fromAPI(o any) (any, error) {
	if pod, ok := o.(*v1.Pod); ok && kubetypes.IsStaticPod(pod) {
		pod.Annotations[kubetypes.ConfigSourceAnnotationKey] = kubetypes.ApiserverSource
	}
	return o, nil
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

// List gives the node's pods as the API had them last.
func (p *Pods) List() []*v1.Pod {
	var out []*v1.Pod
	for _, o := range p.informer.GetStore().List() {
		out = append(out, o.(*v1.Pod))
	}
	return out
}
