package controlplane

import (
	"slices"
	"time"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/informers/core"
	corev1 "k8s.io/client-go/informers/core/v1"
	listers "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
)

// livePods are the controllers' informers as the scheduler needs them: pods that have ended are not there.
// Upstream's scheduler has a watch of its own that leaves them out
// (pkg/scheduler/scheduler.go, NewInformerFactory), and so a second copy of every pod.
type livePods struct {
	informers.SharedInformerFactory
}

type livePodsCore struct{ core.Interface }

type livePodsV1 struct{ corev1.Interface }

// Core leads to the pods.
func (l livePods) Core() core.Interface { return livePodsCore{l.SharedInformerFactory.Core()} }

// V1 leads to the pods.
func (l livePodsCore) V1() corev1.Interface { return livePodsV1{l.Interface.V1()} }

// Pods are those that have not ended.
func (l livePodsV1) Pods() corev1.PodInformer { return livePodInformer{l.Interface.Pods()} }

type livePodInformer struct{ all corev1.PodInformer }

// Informer tells of a pod that ends as of one that is deleted.
func (l livePodInformer) Informer() cache.SharedIndexInformer {
	return livePodIndex{l.all.Informer()}
}

// Lister knows the pods that have not ended.
func (l livePodInformer) Lister() listers.PodLister { return livePodLister{l.all.Lister()} }

type livePodIndex struct{ cache.SharedIndexInformer }

func live(obj any) bool {
	pod, ok := obj.(*v1.Pod)
	return ok && pod.Status.Phase != v1.PodSucceeded && pod.Status.Phase != v1.PodFailed
}

func onlyLive(handler cache.ResourceEventHandler) cache.ResourceEventHandler {
	return cache.FilteringResourceEventHandler{Handler: handler, FilterFunc: func(obj any) bool {
		if gone, ok := obj.(cache.DeletedFinalStateUnknown); ok {
			obj = gone.Obj
		}
		return live(obj)
	}}
}

// AddEventHandler has handler told of pods that have not ended.
func (l livePodIndex) AddEventHandler(handler cache.ResourceEventHandler) (cache.ResourceEventHandlerRegistration, error) {
	return l.SharedIndexInformer.AddEventHandler(onlyLive(handler))
}

// AddEventHandlerWithResyncPeriod is AddEventHandler that tells of all again from time to time.
func (l livePodIndex) AddEventHandlerWithResyncPeriod(handler cache.ResourceEventHandler, resync time.Duration) (cache.ResourceEventHandlerRegistration, error) {
	return l.SharedIndexInformer.AddEventHandlerWithResyncPeriod(onlyLive(handler), resync)
}

// AddEventHandlerWithOptions is AddEventHandler with options.
func (l livePodIndex) AddEventHandlerWithOptions(handler cache.ResourceEventHandler, options cache.HandlerOptions) (cache.ResourceEventHandlerRegistration, error) {
	return l.SharedIndexInformer.AddEventHandlerWithOptions(onlyLive(handler), options)
}

type livePodLister struct{ listers.PodLister }

// List finds pods by their labels.
func (l livePodLister) List(selector labels.Selector) ([]*v1.Pod, error) {
	return onlyLivePods(l.PodLister.List(selector))
}

// Pods are those of a namespace.
func (l livePodLister) Pods(namespace string) listers.PodNamespaceLister {
	return livePodNamespaceLister{l.PodLister.Pods(namespace)}
}

type livePodNamespaceLister struct{ listers.PodNamespaceLister }

// List finds pods by their labels.
func (l livePodNamespaceLister) List(selector labels.Selector) ([]*v1.Pod, error) {
	return onlyLivePods(l.PodNamespaceLister.List(selector))
}

// Get finds a pod by its name.
func (l livePodNamespaceLister) Get(name string) (*v1.Pod, error) {
	pod, err := l.PodNamespaceLister.Get(name)
	if err == nil && !live(pod) {
		return nil, apierrors.NewNotFound(v1.Resource("pods"), name)
	}
	return pod, err
}

func onlyLivePods(pods []*v1.Pod, err error) ([]*v1.Pod, error) {
	return slices.DeleteFunc(pods, func(pod *v1.Pod) bool { return !live(pod) }), err
}
