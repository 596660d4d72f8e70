package conformance

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	v1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// besides are the steps of the examples that need more than their manifest; what
// their comments tell people to do.
var besides = map[string]step{
	"EvictionByEvictionAPI.yaml": func(ctx context.Context, on stage, namespace string) error {
		return on.client.PolicyV1().Evictions(namespace).Evict(ctx, &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Name: "evictionbyevictionapi", Namespace: namespace}})
	},
	"NodeStatusUnknown.yaml": patch("nodestatusunknown", "status", `{"status":{"conditions":[{"type":"Ready","status":"True"}]}}`),
	"FailedKillPod.yaml": once("failedkillpod", func(ctx context.Context, on stage, namespace string) error {
		return on.client.CoreV1().Pods(namespace).Delete(ctx, "failedkillpod", metav1.DeleteOptions{})
	}),
	"ResizeCompleted.yaml": once("resizecompleted", resize("resizecompleted", "20m")),
	"ResizeError.yaml":     once("resizeerror", resize("resizeerror", "20m")),
	"ResizeDeferred.yaml": once("neighbour", once("resizedeferred", func(ctx context.Context, on stage, namespace string) error {
		node, err := on.client.CoreV1().Nodes().Get(ctx, on.node, metav1.GetOptions{})
		if err != nil {
			return err
		}
		return resize("resizedeferred", node.Status.Allocatable.Cpu().String())(ctx, on, namespace)
	})),
	"NotDeleted.yaml": once("notdeleted", func(ctx context.Context, on stage, namespace string) error {
		long := []byte(`{"status":{"disruptedPods":{"notdeleted":"2020-01-01T00:00:00Z"}}}`)
		_, err := on.client.PolicyV1().PodDisruptionBudgets(namespace).Patch(ctx, "notdeleted", types.MergePatchType, long, metav1.PatchOptions{}, "status")
		return err
	}),
	"SchedulerError.yaml": func(ctx context.Context, on stage, namespace string) error {
		binding := &v1.Binding{ObjectMeta: metav1.ObjectMeta{Name: "schedulererror"}, Target: v1.ObjectReference{Kind: "Node", Name: "none"}}
		dry := metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}}
		for { // until the policy is in force
			err := on.client.CoreV1().Pods(namespace).Bind(ctx, binding, dry)
			if err != nil && strings.Contains(err.Error(), "podling-example-no-binding") {
				break
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("the policy is not in force: %w", err)
			case <-time.After(50 * time.Millisecond):
			}
		}
		ungate := []byte(`[{"op":"remove","path":"/spec/schedulingGates"}]`)
		_, err := on.client.CoreV1().Pods(namespace).Patch(ctx, "schedulererror", types.JSONPatchType, ungate, metav1.PatchOptions{})
		return err
	},
}

// once takes the step when the pod runs.
func once(pod string, do step) step {
	return func(ctx context.Context, on stage, namespace string) error {
		err := await(ctx, on.client, namespace, "pods", reasonLimit, func(object []byte) (bool, error) {
			var is v1.Pod
			err := json.Unmarshal(object, &is)
			return is.Name == pod && is.Status.Phase == v1.PodRunning, err
		})
		if err != nil {
			return fmt.Errorf("until pod %s runs: %w", pod, err)
		}
		return do(ctx, on, namespace)
	}
}

// patch changes the pod, or a part of it.
func patch(pod, subresource, change string) step {
	return func(ctx context.Context, on stage, namespace string) error {
		_, err := on.client.CoreV1().Pods(namespace).Patch(ctx, pod, types.StrategicMergePatchType, []byte(change), metav1.PatchOptions{}, subresource)
		return err
	}
}

// resize gives the pod's container that much CPU.
func resize(pod, cpu string) step {
	return patch(pod, "resize", `{"spec":{"containers":[{"name":"main","resources":{"requests":{"cpu":"`+cpu+`"}}}]}}`)
}
