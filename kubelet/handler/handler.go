// Package handler says which of the runtime's handlers a pod is run by, and what
// that handler can do. It stands before the pod's sandbox, which the handler
// makes, and before its containers, which are given only what it offers.
package handler

import (
	"context"
	"fmt"
	"slices"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// Handlers are the runtime's.
type Handlers struct {
	client kubernetes.Interface
	known  func() []v1.NodeRuntimeHandler
}

// New gives the handlers that known lists: those that the runtime told of last,
// none if it does not tell. The client is the node's.
func New(client kubernetes.Interface, known func() []v1.NodeRuntimeHandler) *Handlers {
	return &Handlers{client: client, known: known}
}

// Of gives the name of the handler that the pod's RuntimeClass asks for, "" for
// the runtime's default (KEP-585; upstream: pkg/kubelet/runtimeclass). The error
// of a RuntimeClass that does not exist is the API server's.
func (h *Handlers) Of(ctx context.Context, pod *v1.Pod) (string, error) {
	name := pod.Spec.RuntimeClassName
	if name == nil || *name == "" {
		return "", nil
	}
	class, err := h.client.NodeV1().RuntimeClasses().Get(ctx, *name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return "", err
	}
	if err != nil {
		return "", fmt.Errorf("failed to lookup RuntimeClass %s: %w", *name, err)
	}
	return class.Handler, nil
}

// RecursiveReadOnly says whether the handler can make a mount read-only with all
// that is mounted below it (KEP-3857).
func (h *Handlers) RecursiveReadOnly(handler string) bool {
	f := h.features(handler)
	return f != nil && f.RecursiveReadOnlyMounts != nil && *f.RecursiveReadOnlyMounts
}

// UserNamespaces says whether the handler can give a pod users of its own
// (KEP-127). A handler that the runtime does not list is an error, unless it
// lists none (upstream: HandlerSupportsUserNamespaces in pkg/kubelet/kubelet_pods.go).
func (h *Handlers) UserNamespaces(handler string) (bool, error) {
	f := h.features(handler)
	if f == nil {
		if len(h.known()) == 0 {
			return false, nil
		}
		return false, fmt.Errorf("the handler %q is not known", handler)
	}
	return f.UserNamespaces != nil && *f.UserNamespaces, nil
}

// features are the handler's, nil if the runtime does not list it.
func (h *Handlers) features(handler string) *v1.NodeRuntimeHandlerFeatures {
	known := h.known()
	i := slices.IndexFunc(known, func(k v1.NodeRuntimeHandler) bool { return k.Name == handler })
	if i < 0 {
		return nil
	}
	if known[i].Features == nil {
		return &v1.NodeRuntimeHandlerFeatures{}
	}
	return known[i].Features
}
