package trial_test

import (
	"context"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	corev1 "k8s.io/client-go/kubernetes/typed/core/v1"

	"github.com/podling/podling/manifest"
)

// topDown fails the test if a pod is deleted while the controller that made it is there: it would be replaced.
type topDown struct {
	corev1.PodsGetter
	t      *testing.T
	client *manifest.Client
}

func (d topDown) Pods(namespace string) corev1.PodInterface {
	return topDownIn{d.PodsGetter.Pods(namespace), d, namespace}
}

type topDownIn struct {
	corev1.PodInterface
	topDown
	namespace string
}

func (d topDownIn) Delete(ctx context.Context, name string, options metav1.DeleteOptions) error {
	if pod, err := d.Get(ctx, name, metav1.GetOptions{}); err == nil {
		if by := metav1.GetControllerOf(pod); by != nil {
			owner, err := d.client.Get(ctx, schema.FromAPIVersionAndKind(by.APIVersion, by.Kind), d.namespace, by.Name)
			if err != nil || owner != nil && owner.GetUID() == by.UID && owner.GetDeletionTimestamp() == nil {
				d.t.Errorf("pod %s is deleted before its %s %s is (%v)", name, by.Kind, by.Name, err)
			}
		}
	}
	return d.PodInterface.Delete(ctx, name, options)
}

// withoutReplacements leaves out pods that came when others were being deleted: a controller that has not
// heard yet that it is gone makes them, and the garbage collector takes them.
func withoutReplacements(shown []string) []string {
	ending, late := false, map[string]bool{}
	var out []string
	for _, s := range shown {
		words := strings.Fields(s) // type, pod, phase, and whether it is deleted
		late[words[1]] = late[words[1]] || ending && words[0] == "ADDED"
		ending = ending || words[0] == "DELETED" || strings.Contains(s, " deleted, grace")
		if !late[words[1]] {
			out = append(out, s)
		}
	}
	return out
}
