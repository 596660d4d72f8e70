package kubelet

import (
	"context"
	"fmt"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/client-go/util/flowcontrol"

	"github.com/podling/podling/kubelet/report"
	"github.com/podling/podling/lifecycle"
)

// Every pod's Events are written, whichever lane they go, and in their order.
func TestEventsOfManyPods(t *testing.T) {
	client := fake.NewClientset()
	r := newRecorder(client, "node")
	r.start(t.Context())
	defer r.stop()
	const pods = 50
	for i := range pods {
		pod := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprint("p", i), Namespace: "ns", UID: types.UID(fmt.Sprint("uid", i))}}
		r.lifecycle(pod, lifecycle.Event{Type: v1.EventTypeNormal, Reason: "First", Container: "main"})
		r.pod(pod, v1.EventTypeWarning, "Second", "")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for {
		events, err := client.CoreV1().Events("ns").List(ctx, metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if len(events.Items) == 2*pods {
			break
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			t.Fatalf("%d of %d Events were written", len(events.Items), 2*pods)
		}
	}
	said := map[string]string{}
	for _, a := range client.Actions() {
		if c, ok := a.(clienttesting.CreateAction); ok {
			e := c.GetObject().(*v1.Event)
			said[e.InvolvedObject.Name] += e.Reason
		}
	}
	for name, order := range said {
		if order != "FirstSecond" {
			t.Errorf("%s: %s", name, order)
		}
	}
}

// While there is a crowd of pods whose statuses are to be written, Events are not.
func TestEventsAfterStatuses(t *testing.T) {
	const many = 0
	for name, test := range map[string]struct {
		many int64
		want bool
	}{"nobody waits": {many, true}, "more wait than are many": {many - 1, false}} {
		allowed := afterStatuses{flowcontrol.NewFakeAlwaysRateLimiter(), report.NewTurns(1, test.many, 1, 1)}
		if got := allowed.TryAccept(); got != test.want {
			t.Errorf("%s: an Event is written: %v", name, got)
		}
	}
}
