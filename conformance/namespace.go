package conformance

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

const (
	// accountLimit is how long a new namespace may take to get its service account.
	accountLimit = 30 * time.Second
	// cleanupLimit is how long the removal of a namespace may take to begin.
	cleanupLimit = 10 * time.Second
)

// inNamespace makes a namespace for what the name says, in the form that
// withoutNamespaces takes out of recordings, and removes it when do is done. It does
// not wait for it to be gone: what is in it ends while other scenarios run.
func inNamespace(ctx context.Context, client kubernetes.Interface, name string, do func(namespace string) error) error {
	suffix := make([]byte, 3)
	rand.Read(suffix) // never fails
	namespace := fmt.Sprintf("c-%s-%s", name, hex.EncodeToString(suffix))
	if _, err := client.CoreV1().Namespaces().Create(ctx, &v1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("namespace: %w", err)
	}
	err := awaitAccount(ctx, client, namespace)
	if err == nil {
		err = do(namespace)
	}
	cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupLimit)
	defer cancel()
	if e := client.CoreV1().Namespaces().Delete(cleanup, namespace, metav1.DeleteOptions{}); e != nil {
		err = errors.Join(err, fmt.Errorf("namespace %s is left behind: %w", namespace, e))
	}
	return err
}

// awaitAccount waits for the namespace's default service account, without which no
// pod is admitted.
func awaitAccount(ctx context.Context, client kubernetes.Interface, namespace string) error {
	return await(ctx, client, namespace, "serviceaccounts", accountLimit, func([]byte) (bool, error) {
		return true, nil // a new namespace gets no other
	})
}

// await watches a namespace's resources until one of them is as wanted.
func await(ctx context.Context, client kubernetes.Interface, namespace, resource string, limit time.Duration, wanted func(object []byte) (bool, error)) error {
	watching, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("%s in a new namespace: not as wanted after %v", resource, limit))
	defer cancel()
	s, err := open(watching, client, namespace, resource, "application/json")
	if err != nil {
		return err
	}
	found := false
	err = s.each(watching, func(_ string, object []byte) (err error) {
		if found, err = wanted(object); found {
			cancel()
		}
		return err
	})
	if err == nil && !found {
		err = context.Cause(watching)
	}
	return err
}
