package load

import (
	"context"
	"errors"
	"fmt"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// cleanupLimit is how long the call may take that removes the namespace.
const cleanupLimit = 10 * time.Second

// Namespace makes a namespace in which pods can be created, and gives its name and
// what removes it again.
func Namespace(ctx context.Context, client kubernetes.Interface) (name string, remove func() error, err error) {
	name = fmt.Sprintf("load-%d", time.Now().UnixNano())
	if _, err := client.CoreV1().Namespaces().Create(ctx, &v1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{}); err != nil {
		return "", nil, fmt.Errorf("namespace: %w", err)
	}
	remove = func() error {
		cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupLimit)
		defer cancel()
		if err := client.CoreV1().Namespaces().Delete(cleanup, name, metav1.DeleteOptions{}); err != nil {
			return fmt.Errorf("namespace %s is left behind: %w", name, err)
		}
		return nil
	}
	if err := awaitAccount(ctx, client, name); err != nil {
		return "", nil, errors.Join(err, remove())
	}
	return name, remove, nil
}

// awaitAccount waits for the namespace's default service account, without which no
// pod is admitted.
func awaitAccount(ctx context.Context, client kubernetes.Interface, namespace string) error {
	accounts, err := client.CoreV1().ServiceAccounts(namespace).Watch(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("watch of service accounts: %w", err)
	}
	defer accounts.Stop()
	select {
	case _, ok := <-accounts.ResultChan(): // a new namespace gets no other
		if !ok {
			return errors.New("the API server ended the watch of service accounts")
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("no service account in a new namespace: %w", context.Cause(ctx))
	}
}
