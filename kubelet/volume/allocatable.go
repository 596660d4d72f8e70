package volume

import (
	"context"
	"fmt"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// allocatableAge is how old the node's allocatable resources may be: they bound
// each tmpfs, and asking for them each time would cost a request a pod.
const allocatableAge = time.Minute

// allocatable is what the node has for pods, kept for a while.
type allocatable struct {
	mu   sync.Mutex
	list v1.ResourceList
	read time.Time
}

func (a *allocatable) get(ctx context.Context, client kubernetes.Interface, node string) (v1.ResourceList, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.list != nil && time.Since(a.read) < allocatableAge {
		return a.list, nil
	}
	n, err := client.CoreV1().Nodes().Get(ctx, node, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("error retrieving node: %w", err)
	}
	a.list, a.read = n.Status.Allocatable, time.Now()
	return a.list, nil
}
