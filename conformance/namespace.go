package conformance

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
)

const (
	// accountLimit is how long a new namespace may take to get its service account.
	accountLimit = 30 * time.Second
	// cleanupLimit is how long the removal of a namespace may take to begin.
	cleanupLimit = 10 * time.Second
	// quietLimit is how long the pods of scenarios that are over may take to be gone.
	quietLimit = 2 * time.Minute
)

// prefix is what the namespaces of scenarios begin with.
const prefix = "c-"

// inNamespace makes a namespace for what the name says, in the form that
// withoutNamespaces takes out of recordings, and removes it when do is done. It does
// not wait for it to be gone: what is in it ends while other scenarios run.
func inNamespace(ctx context.Context, client kubernetes.Interface, name string, do func(namespace string) error) error {
	suffix := make([]byte, 3)
	rand.Read(suffix) // never fails
	namespace := fmt.Sprintf("%s%s-%s", prefix, name, hex.EncodeToString(suffix))
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

// quiet waits until no pod of a scenario is left.
func quiet(ctx context.Context, client kubernetes.Interface) error {
	var left string
	err := wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, quietLimit, true, func(ctx context.Context) (bool, error) {
		pods, err := client.CoreV1().Pods("").List(ctx, metav1.ListOptions{})
		if err != nil {
			return false, err
		}
		i := slices.IndexFunc(pods.Items, func(p v1.Pod) bool { return strings.HasPrefix(p.Namespace, prefix) })
		if i >= 0 {
			left = pods.Items[i].Namespace + "/" + pods.Items[i].Name
		}
		return i < 0, nil
	})
	if wait.Interrupted(err) && ctx.Err() == nil {
		return fmt.Errorf("pod %s of a scenario that is over is still there after %v", left, quietLimit)
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
