package trial_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
)

// nodeName is the node that these tests play: their manifests bind pods to it.
const nodeName = "played"

// play does what a node would until the test ends, by the pod's annotation play: a pod gets ready
// ("", ready), ends (succeed, fail), cannot be pulled (pull) or is deleted by somebody (vanish), and goes
// when it is deleted.
func play(t *testing.T, client *kubernetes.Clientset) {
	t.Helper()
	ctx := t.Context()
	w, err := client.CoreV1().Pods("").Watch(ctx, metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for e := range w.ResultChan() {
			pod, ok := e.Object.(*v1.Pod)
			if !ok || pod.Spec.NodeName != nodeName {
				continue
			}
			err := act(ctx, client, pod)
			if err != nil && ctx.Err() == nil && !apierrors.IsNotFound(err) {
				t.Errorf("play the node of %s: %v", pod.Name, err)
			}
		}
	}()
}

func act(ctx context.Context, client *kubernetes.Clientset, pod *v1.Pod) error {
	pods := client.CoreV1().Pods(pod.Namespace)
	now := int64(0)
	if pod.DeletionTimestamp != nil {
		return pods.Delete(ctx, pod.Name, metav1.DeleteOptions{GracePeriodSeconds: &now, Preconditions: &metav1.Preconditions{UID: &pod.UID}})
	}
	state := func(phase v1.PodPhase, ready v1.ConditionStatus, container string) error {
		if pod.Status.Phase == phase && len(pod.Status.ContainerStatuses) > 0 {
			return nil
		}
		text := fmt.Sprintf(`{"status":{"phase":%q,"conditions":[{"type":"Ready","status":%q}],
			"containerStatuses":[{"name":"c","image":"busybox","imageID":"","ready":%t,"restartCount":0,"state":%s}]}}`,
			phase, ready, ready == v1.ConditionTrue, container)
		_, err := pods.Patch(ctx, pod.Name, types.StrategicMergePatchType, []byte(text), metav1.PatchOptions{}, "status")
		return err
	}
	ended := func(reason string, code int) string {
		at := metav1.Now().UTC().Format(time.RFC3339)
		return fmt.Sprintf(`{"terminated":{"reason":%q,"exitCode":%d,"startedAt":%q,"finishedAt":%q}}`, reason, code, at, at)
	}
	switch pod.Annotations["play"] {
	case "succeed":
		return state(v1.PodSucceeded, v1.ConditionFalse, ended("Completed", 0))
	case "fail":
		return state(v1.PodFailed, v1.ConditionFalse, ended("Error", 3))
	case "pull":
		return state(v1.PodPending, v1.ConditionFalse, `{"waiting":{"reason":"ImagePullBackOff","message":"Back-off pulling image"}}`)
	case "vanish":
		return pods.Delete(ctx, pod.Name, metav1.DeleteOptions{GracePeriodSeconds: &now})
	default:
		return state(v1.PodRunning, v1.ConditionTrue, `{"running":{}}`)
	}
}
