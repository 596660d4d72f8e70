// Package userns gives pods users of their own: a range of the machine's user
// and group IDs that stands for all IDs inside the pod (KEP-127). In a pod's way
// it comes before the sandbox, whose user namespace is made of the range.
//
// The ranges are handed out by upstream's manager, which keeps each in the pod's
// folder, so that a node that starts again knows who has which.
package userns

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/kubelet/userns"
)

// Ranges are those of one node's pods.
type Ranges struct {
	manager *userns.UsernsManager
}

// New finds the ranges of the pods that have a folder below root. supported says
// whether a runtime handler can make user namespaces; there are at most maxPods.
func New(root string, maxPods int, supported func(handler string) (bool, error)) (*Ranges, error) {
	m, err := userns.MakeUserNsManager(klog.Background(), &node{root: root, maxPods: maxPods, supported: supported}, nil)
	if err != nil {
		return nil, fmt.Errorf("user namespaces of pods: %w", err)
	}
	return &Ranges{manager: m}, nil
}

// Of is what the pod's sandbox and containers are told: a range of its own for a
// pod with hostUsers: false, else the machine's users. The same pod gets the same
// range until Release. Errors have upstream's words.
func (r *Ranges) Of(pod *v1.Pod, handler string) (*runtimeapi.UserNamespace, error) {
	return r.manager.GetOrCreateUserNamespaceMappings(klog.Background(), pod, handler)
}

// Release makes the range of a pod that is over free for others.
func (r *Ranges) Release(ctx context.Context, pod types.UID) {
	r.manager.Release(klog.FromContext(ctx), pod)
}

// node is what upstream's manager wants to know of its node.
type node struct {
	root      string
	maxPods   int
	supported func(handler string) (bool, error)
}

func (n *node) HandlerSupportsUserNamespaces(handler string) (bool, error) {
	return n.supported(handler)
}

func (n *node) GetPodDir(uid types.UID) string { return filepath.Join(n.root, "pods", string(uid)) }
func (n *node) GetMaxPods() int                { return n.maxPods }

func (n *node) ListPodsFromDisk() ([]types.UID, error) {
	entries, err := os.ReadDir(filepath.Join(n.root, "pods"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var pods []types.UID
	for _, e := range entries {
		pods = append(pods, types.UID(e.Name()))
	}
	return pods, err
}

// GetKubeletMappings gives all IDs beyond the first range, which is the
// machine's own: upstream's default, for a machine without a user "kubelet" in
// /etc/subuid.
func (n *node) GetKubeletMappings(_ klog.Logger, idsPerPod uint32) (first, count uint32, err error) {
	return idsPerPod, uint32(1<<32 - uint64(idsPerPod)), nil
}
