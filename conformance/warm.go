package conformance

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// warmLimit is how long a node may take to pull the scenarios' images.
const warmLimit = 2 * time.Minute

// present are the images that upstream's node had when the golden files were
// recorded: a scenario that pulls one with IfNotPresent shows no Pulling event.
var present = []string{"busybox:1.36", "busybox:latest", "nocmd:1"}

// warm brings the images onto the node, by a pod that runs each of them once.
func (r Runner) warm(ctx context.Context, client kubernetes.Interface) error {
	no := false
	pod := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "warm"}, Spec: v1.PodSpec{
		NodeName: r.Node, RestartPolicy: v1.RestartPolicyNever, AutomountServiceAccountToken: &no,
	}}
	for i, image := range present {
		pod.Spec.Containers = append(pod.Spec.Containers, v1.Container{
			Name: fmt.Sprintf("image-%d", i), Image: image, ImagePullPolicy: v1.PullIfNotPresent, Command: []string{"true"},
		})
	}
	return inNamespace(ctx, client, "warm", func(namespace string) error {
		if _, err := client.CoreV1().Pods(namespace).Create(ctx, pod, metav1.CreateOptions{}); err != nil {
			return err
		}
		var last v1.Pod
		err := await(ctx, client, namespace, "pods", warmLimit, func(object []byte) (bool, error) {
			last = v1.Pod{}
			if err := json.Unmarshal(object, &last); err != nil {
				return false, err
			}
			if last.Status.Phase == v1.PodFailed {
				return false, fmt.Errorf("pod failed: %s %s", last.Status.Reason, last.Status.Message)
			}
			return last.Status.Phase == v1.PodSucceeded, nil
		})
		if err != nil {
			return fmt.Errorf("a pod of %v: %w; last seen: %v", present, err, containerTexts(last.Status.ContainerStatuses))
		}
		return nil
	})
}
