package handler

import (
	"testing"

	v1 "k8s.io/api/core/v1"
	nodev1 "k8s.io/api/node/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
)

func TestOf(t *testing.T) {
	client := fake.NewClientset(&nodev1.RuntimeClass{ObjectMeta: metav1.ObjectMeta{Name: "sandboxed"}, Handler: "kata"})
	h := New(client, func() []v1.NodeRuntimeHandler { return nil })
	class := func(name string) *v1.Pod { return &v1.Pod{Spec: v1.PodSpec{RuntimeClassName: &name}} }
	if got, err := h.Of(t.Context(), &v1.Pod{}); got != "" || err != nil {
		t.Errorf("no class: %q, %v", got, err)
	}
	if got, err := h.Of(t.Context(), class("sandboxed")); got != "kata" || err != nil {
		t.Errorf("a class: %q, %v", got, err)
	}
	if _, err := h.Of(t.Context(), class("none")); !apierrors.IsNotFound(err) {
		t.Errorf("a class that is not there: %v", err)
	}
}

func TestFeatures(t *testing.T) {
	yes := true
	var known []v1.NodeRuntimeHandler
	h := New(nil, func() []v1.NodeRuntimeHandler { return known })
	if users, err := h.UserNamespaces(""); users || err != nil || h.RecursiveReadOnly("") {
		t.Errorf("of a runtime that does not tell: %v, %v", users, err)
	}
	known = []v1.NodeRuntimeHandler{
		{Name: "", Features: &v1.NodeRuntimeHandlerFeatures{UserNamespaces: &yes, RecursiveReadOnlyMounts: &yes}},
		{Name: "old"},
	}
	if users, err := h.UserNamespaces(""); !users || err != nil || !h.RecursiveReadOnly("") {
		t.Errorf("of the default: %v, %v", users, err)
	}
	if users, err := h.UserNamespaces("old"); users || err != nil || h.RecursiveReadOnly("old") {
		t.Errorf("of one without: %v, %v", users, err)
	}
	if users, err := h.UserNamespaces("none"); users || err == nil || err.Error() != `the handler "none" is not known` {
		t.Errorf("of one that is not there: %v, %v", users, err)
	}
}
