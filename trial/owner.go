package trial

import (
	"context"
	"fmt"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// rootOf is the root that a pod comes from, by the chain of its owners; nil if it is none of ours.
func (t *trial) rootOf(ctx context.Context, pod *v1.Pod) (*root, error) {
	owner := metav1.GetControllerOf(pod)
	if owner == nil {
		for _, r := range t.roots {
			if !r.single() || r.namespace != pod.Namespace {
				continue
			}
			if prefix := r.object.GetGenerateName(); r.object.GetName() == pod.Name || r.object.GetName() == "" && prefix == pod.GenerateName {
				return r, nil
			}
		}
		return nil, nil
	}
	return t.rootOfOwner(ctx, owner, pod.Namespace)
}

// rootOfOwner goes up the chain. What it has asked for it remembers: many pods have the same owner.
func (t *trial) rootOfOwner(ctx context.Context, owner *metav1.OwnerReference, namespace string) (*root, error) {
	if r, ok := t.owners[owner.UID]; ok {
		return r, nil
	}
	gvk := schema.FromAPIVersionAndKind(owner.APIVersion, owner.Kind)
	var found *root
	for _, r := range t.roots {
		if r.is(gvk.GroupKind(), namespace, owner.Name) {
			found = r
		}
	}
	if found == nil {
		object, err := t.Client.Get(ctx, gvk, namespace, owner.Name)
		if err != nil {
			return nil, fmt.Errorf("the owner of a pod, %s %s: %w", owner.Kind, owner.Name, err)
		}
		if object != nil {
			if next := metav1.GetControllerOf(object); next != nil {
				if found, err = t.rootOfOwner(ctx, next, namespace); err != nil {
					return nil, err
				}
				if found != nil {
					t.between = append(t.between, object)
				}
			}
		}
	}
	t.owners[owner.UID] = found
	return found, nil
}
