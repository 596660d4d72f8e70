package controlplane

import (
	"context"
	"fmt"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/tools/cache"
)

// The scheduler is told of a pod that ends as of one that is gone, of one that had ended not at all,
// and finds neither.
func TestLivePods(t *testing.T) {
	pod := func(name string, phase v1.PodPhase) *v1.Pod {
		return &v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "ns"}, Status: v1.PodStatus{Phase: phase}}
	}
	client := fake.NewClientset(pod("failed", v1.PodFailed), pod("runs", v1.PodRunning))
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	all := informers.NewSharedInformerFactory(client, 0)
	pods := livePods{all}.Core().V1().Pods()
	told := make(chan string, 10)
	registered, err := pods.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(obj any) { told <- "add " + obj.(*v1.Pod).Name },
		UpdateFunc: func(_, obj any) { told <- "update " + obj.(*v1.Pod).Name },
		DeleteFunc: func(obj any) { told <- fmt.Sprintf("delete %s, %s", obj.(*v1.Pod).Name, obj.(*v1.Pod).Status.Phase) },
	})
	if err != nil {
		t.Fatal(err)
	}
	all.Start(ctx.Done())
	if !cache.WaitForCacheSync(ctx.Done(), registered.HasSynced) {
		t.Fatal("not told of the pods that there are")
	}
	update := func(p *v1.Pod) {
		t.Helper()
		if _, err := client.CoreV1().Pods("ns").Update(ctx, p, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	changed := pod("runs", v1.PodRunning)
	changed.Labels = map[string]string{"a": "b"}
	update(changed)
	update(pod("failed", v1.PodFailed))
	update(pod("runs", v1.PodSucceeded))
	for _, want := range []string{"add runs", "update runs", "delete runs, Running"} {
		select {
		case got := <-told:
			if got != want {
				t.Errorf("told %q, want %q", got, want)
			}
		case <-ctx.Done():
			t.Fatalf("never told %q", want)
		}
	}
	for _, name := range []string{"failed", "runs"} {
		if _, err := pods.Lister().Pods("ns").Get(name); !apierrors.IsNotFound(err) {
			t.Errorf("Get of %s: %v", name, err)
		}
	}
	found, err := pods.Lister().List(labels.Everything())
	if err != nil || len(found) > 0 {
		t.Errorf("List: %d pods, %v", len(found), err)
	}
	found, err = pods.Lister().Pods("ns").List(labels.Everything())
	if err != nil || len(found) > 0 {
		t.Errorf("List of the namespace: %d pods, %v", len(found), err)
	}
	if _, err := all.Core().V1().Pods().Lister().Pods("ns").Get("failed"); err != nil {
		t.Errorf("the others do not find it: %v", err)
	}
}
