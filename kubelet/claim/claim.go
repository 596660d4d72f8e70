// Package claim looks at the devices that a pod claims, before its sandbox is made
// (KEP-4381; upstream: prepareResources in pkg/kubelet/cm/dra/manager.go).
// podling's node has no device drivers, so that a pod which claims devices does
// not start: it says why, in the words of an upstream node without the driver,
// instead of running without what it asked for.
package claim

import (
	"context"
	"fmt"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/dynamic-resource-allocation/resourceclaim"
)

// Claims are the claims of a node's pods.
type Claims struct{ client kubernetes.Interface }

// New gives the claims that the API server has.
func New(client kubernetes.Interface) *Claims { return &Claims{client} }

// Prepare says why the pod's devices are not to be had; nil if it claims none.
func (c *Claims) Prepare(ctx context.Context, pod *v1.Pod) error {
	claims := pod.Spec.ResourceClaims
	if extended := pod.Status.ExtendedResourceClaimStatus; extended != nil {
		claims = append(claims[:len(claims):len(claims)], v1.PodResourceClaim{ResourceClaimName: &extended.ResourceClaimName})
	}
	for i := range claims {
		if err := c.prepare(ctx, pod, &claims[i]); err != nil {
			return fmt.Errorf("prepare dynamic resources: %w", err)
		}
	}
	return nil
}

func (c *Claims) prepare(ctx context.Context, pod *v1.Pod, of *v1.PodResourceClaim) error {
	const podGroups = false // as upstream's gate of that name has it in v1.36
	name, mustCheckOwner, err := resourceclaim.Name(pod, of)
	if err != nil || name == nil { // nil: none was found to be needed
		return err
	}
	claim, err := c.client.ResourceV1().ResourceClaims(pod.Namespace).Get(ctx, *name, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("fetch ResourceClaim %s: %w", *name, err)
	}
	if mustCheckOwner {
		if err := resourceclaim.IsForPod(pod, claim, podGroups); err != nil {
			return err
		}
	}
	switch {
	case !resourceclaim.IsReservedForPod(pod, claim, podGroups):
		return fmt.Errorf("pod %s (%s) is not allowed to use ResourceClaim %s (%s)", pod.Name, pod.UID, *name, claim.UID)
	case claim.Status.Allocation == nil:
		return fmt.Errorf("ResourceClaim %s: not allocated", claim.Name)
	}
	if devices := claim.Status.Allocation.Devices.Results; len(devices) > 0 {
		return fmt.Errorf("DRA driver %s is not registered", devices[0].Driver)
	}
	return nil
}
