package cluster

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"
)

// waitFor follows one object by a watch until it is as wanted.
func waitFor[T runtime.Object](ctx context.Context, client kubernetes.Interface, resource, namespace, name string, kind T, wanted func(T) bool) error {
	source := cache.NewListWatchFromClient(client.CoreV1().RESTClient(), resource, namespace,
		fields.OneTermEqualSelector(metav1.ObjectNameField, name))
	_, err := watchtools.UntilWithSync(ctx, source, kind, nil, func(event watch.Event) (bool, error) {
		object, ok := event.Object.(T)
		return ok && event.Type != watch.Deleted && wanted(object), nil
	})
	return err
}

// waitForDefaultAccount waits for what a pod in the default namespace cannot be created without: the
// service account that the controllers put there.
func waitForDefaultAccount(ctx context.Context, client kubernetes.Interface) error {
	err := waitFor(ctx, client, "serviceaccounts", metav1.NamespaceDefault, "default", &corev1.ServiceAccount{},
		func(*corev1.ServiceAccount) bool { return true })
	if err != nil {
		return fmt.Errorf("the default namespace has no service account: %w", err)
	}
	return nil
}
