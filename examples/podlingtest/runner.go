// Package runner is a small controller to show how one is tested: it runs a batch of
// work, a pod for each item, and reacts to how the pods fare.
//
//	a server pod is made ──▶ Ready ──▶ a pod for each item ──▶ Succeeded: done
//	                                     │         │
//	                       OOMKilled: again,    CrashLoopBackOff, restarted
//	                       with twice the       too often: given up
//	                       memory
//
// runner_test.go tests it with podlingtest, byhand_test.go as one does with envtest,
// where no kubelet is: the test plays it.
package runner

import (
	"context"
	"fmt"
	"strconv"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
)

// The labels of a batch's pods.
const (
	LabelBatch   = "batch"
	LabelItem    = "item"
	LabelAttempt = "attempt"
)

// Batch is work to be done.
type Batch struct {
	Client          kubernetes.Interface
	Namespace, Name string
	Image           string
	Items           []string
	// Memory is each item's limit to begin with. A pod that is killed for want of it
	// is made anew with twice as much, at most MostMemory.
	Memory, MostMemory resource.Quantity
	// MostRestarts is how often an item's container may crash before it is given up.
	MostRestarts int32
}

// Run does the work, and returns what became of each item: "done", or why not.
func (b *Batch) Run(ctx context.Context) (map[string]string, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	events := make(chan *v1.Pod)
	factory := informers.NewSharedInformerFactoryWithOptions(b.Client, 0, informers.WithNamespace(b.Namespace),
		informers.WithTweakListOptions(func(o *metav1.ListOptions) { o.LabelSelector = LabelBatch + "=" + b.Name }))
	see := func(object any) {
		select {
		case events <- object.(*v1.Pod):
		case <-ctx.Done():
		}
	}
	if _, err := factory.Core().V1().Pods().Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    see,
		UpdateFunc: func(_, now any) { see(now) },
	}); err != nil {
		return nil, err
	}
	factory.Start(ctx.Done())
	defer factory.Shutdown()
	defer cancel()
	if err := b.create(ctx, b.pod("server", 1, b.Memory)); err != nil {
		return nil, err
	}
	outcome := map[string]string{}
	for len(outcome) < len(b.Items) {
		select {
		case <-ctx.Done():
			return outcome, ctx.Err()
		case pod := <-events:
			if err := b.react(ctx, pod, outcome); err != nil {
				return outcome, err
			}
		}
	}
	return outcome, b.delete(ctx, b.Name+"-server-1")
}

// react does what a pod's state asks for.
func (b *Batch) react(ctx context.Context, pod *v1.Pod, outcome map[string]string) error {
	item := pod.Labels[LabelItem]
	if outcome[item] != "" || pod.DeletionTimestamp != nil {
		return nil
	}
	if item == "server" {
		if !ready(pod) {
			return nil
		}
		for _, item := range b.Items {
			if err := b.create(ctx, b.pod(item, 1, b.Memory)); err != nil {
				return err
			}
		}
		return nil
	}
	if pod.Status.Phase == v1.PodSucceeded {
		outcome[item] = "done"
		return nil
	}
	for _, c := range pod.Status.ContainerStatuses {
		switch {
		case ended(c, "OOMKilled"):
			return b.again(ctx, pod, outcome)
		case c.RestartCount >= b.MostRestarts && c.State.Waiting != nil && c.State.Waiting.Reason == "CrashLoopBackOff":
			outcome[item] = fmt.Sprintf("given up after %d restarts", c.RestartCount)
			return b.delete(ctx, pod.Name)
		}
	}
	return nil
}

// again makes the item's pod anew, with twice the memory.
func (b *Batch) again(ctx context.Context, pod *v1.Pod, outcome map[string]string) error {
	item := pod.Labels[LabelItem]
	memory := pod.Spec.Containers[0].Resources.Limits[v1.ResourceMemory]
	memory.Add(memory)
	if err := b.delete(ctx, pod.Name); err != nil {
		return err
	}
	if memory.Cmp(b.MostMemory) > 0 {
		outcome[item] = "needs more than " + b.MostMemory.String()
		return nil
	}
	attempt, err := strconv.Atoi(pod.Labels[LabelAttempt])
	if err != nil {
		return fmt.Errorf("pod %s: label %s: %w", pod.Name, LabelAttempt, err)
	}
	return b.create(ctx, b.pod(item, attempt+1, memory))
}

func (b *Batch) pod(item string, attempt int, memory resource.Quantity) *v1.Pod {
	return &v1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name:   fmt.Sprintf("%s-%s-%d", b.Name, item, attempt),
			Labels: map[string]string{LabelBatch: b.Name, LabelItem: item, LabelAttempt: strconv.Itoa(attempt)},
		},
		Spec: v1.PodSpec{
			RestartPolicy: v1.RestartPolicyOnFailure,
			Containers: []v1.Container{{
				Name: "work", Image: b.Image, Args: []string{item},
				Resources: v1.ResourceRequirements{Limits: v1.ResourceList{v1.ResourceMemory: memory}},
			}},
		},
	}
}

func (b *Batch) create(ctx context.Context, pod *v1.Pod) error {
	_, err := b.Client.CoreV1().Pods(b.Namespace).Create(ctx, pod, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) { // the same news came twice
		return nil
	}
	return err
}

func (b *Batch) delete(ctx context.Context, name string) error {
	err := b.Client.CoreV1().Pods(b.Namespace).Delete(ctx, name, metav1.DeleteOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

func ready(pod *v1.Pod) bool {
	for _, c := range pod.Status.Conditions {
		if c.Type == v1.PodReady {
			return c.Status == v1.ConditionTrue
		}
	}
	return false
}

func ended(c v1.ContainerStatus, reason string) bool {
	for _, state := range []v1.ContainerState{c.State, c.LastTerminationState} {
		if state.Terminated != nil && state.Terminated.Reason == reason {
			return true
		}
	}
	return false
}
