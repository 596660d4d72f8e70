package manifest

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
)

// Client makes in a cluster what documents describe.
type Client struct {
	// Namespace is that of the documents which name none.
	Namespace string

	dynamic dynamic.Interface
	mapper  *restmapper.DeferredDiscoveryRESTMapper
}

// NewClient talks to the cluster of config.
func NewClient(config *rest.Config, namespace string) (*Client, error) {
	d, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	disco, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, err
	}
	return &Client{
		Namespace: namespace,
		dynamic:   d,
		mapper:    restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(disco)),
	}, nil
}

// Get reads the object of that kind and name, nil if there is none.
func (c *Client) Get(ctx context.Context, gvk schema.GroupVersionKind, namespace, name string) (*unstructured.Unstructured, error) {
	mapping, err := c.mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
	if err != nil {
		return nil, err
	}
	object, err := c.resource(mapping, namespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	return object, err
}

// resource is where objects of a kind are read and written.
func (c *Client) resource(mapping *meta.RESTMapping, namespace string) dynamic.ResourceInterface {
	if mapping.Scope.Name() == meta.RESTScopeNameRoot {
		return c.dynamic.Resource(mapping.Resource)
	}
	return c.dynamic.Resource(mapping.Resource).Namespace(namespace)
}

// create makes the document's object, or only asks the API server whether it would.
func (c *Client) create(ctx context.Context, d *Document, dryRun bool) (*unstructured.Unstructured, error) {
	gvk := d.Object.GroupVersionKind()
	mapping, err := c.mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
	if err != nil {
		return nil, err
	}
	object := d.Object.DeepCopy()
	namespace := ""
	if mapping.Scope.Name() == meta.RESTScopeNameNamespace {
		namespace = c.NamespaceOf(d)
		object.SetNamespace(namespace)
	}
	options := metav1.CreateOptions{FieldManager: "podling", FieldValidation: metav1.FieldValidationStrict}
	if dryRun {
		options.DryRun = []string{metav1.DryRunAll}
	}
	return c.resource(mapping, namespace).Create(ctx, object, options)
}

// NamespaceOf is the namespace that the document's object goes to, if its kind has namespaces.
func (c *Client) NamespaceOf(d *Document) string {
	if namespace := d.Object.GetNamespace(); namespace != "" {
		return namespace
	}
	return c.Namespace
}

// Delete deletes objects, one after the other: pods within the grace period (in seconds), and what
// others own in the background. What is gone already, or has been made anew by somebody else, is left
// alone.
func (c *Client) Delete(ctx context.Context, objects []*unstructured.Unstructured, grace int64) error {
	var errs []error
	for _, o := range objects {
		uid := o.GetUID()
		background := metav1.DeletePropagationBackground
		options := metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &uid}, PropagationPolicy: &background}
		if IsPod(o) {
			options.GracePeriodSeconds = &grace
		}
		gvk := o.GroupVersionKind()
		mapping, err := c.mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
		if err == nil {
			err = c.resource(mapping, o.GetNamespace()).Delete(ctx, o.GetName(), options)
		}
		if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) && !meta.IsNoMatchError(err) {
			errs = append(errs, fmt.Errorf("%s %s cannot be deleted: %w", o.GetKind(), o.GetName(), err))
		}
	}
	return errors.Join(errs...)
}

// Left are those of objects that are still there.
func (c *Client) Left(ctx context.Context, objects []*unstructured.Unstructured) ([]*unstructured.Unstructured, error) {
	var left []*unstructured.Unstructured
	for _, o := range objects {
		now, err := c.Get(ctx, o.GroupVersionKind(), o.GetNamespace(), o.GetName())
		if err != nil && !meta.IsNoMatchError(err) { // a kind goes with its definition
			return nil, err
		}
		if now != nil && now.GetUID() == o.GetUID() {
			left = append(left, now)
		}
	}
	return left, nil
}

// IsPod says that an object is a pod.
func IsPod(o *unstructured.Unstructured) bool {
	return o.GroupVersionKind().GroupKind() == schema.GroupKind{Kind: "Pod"}
}

// patience is how long a cluster may take for what follows by itself from something made: a
// namespace's service account, a definition's kind.
const patience = 20 * time.Second

// poll calls done until it says so, fails, or patience is at its end, which is no error: the API
// server then says better what is missing.
func poll(ctx context.Context, done func() (bool, error)) error {
	end := time.Now().Add(patience)
	for time.Now().Before(end) {
		if ok, err := done(); ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
	return nil
}
