package cluster

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/podling/podling/replay"
	"github.com/podling/podling/trace"
)

// What a node decides about a pod that crashes, is restarted and deleted is decided the same once more
// from what was written down.
func TestRecordDecisions(t *testing.T) {
	path := filepath.Join(t.TempDir(), "decisions.jsonl")
	c, err := Up(t.Context(), Options{Ephemeral: true, Runtime: RuntimeSim, Kubeconfig: filepath.Join(t.TempDir(), "kubeconfig"), RecordDecisions: path}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Stop(context.WithoutCancel(t.Context()))
	client, err := kubernetes.NewForConfig(c.Admin())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tracer := trace.Tracer{Pods: client.CoreV1(), Namespace: "default", Names: []string{"p"}, Listed: func() {
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p"}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "busybox", Command: []string{"false"}}}}}
		if _, err := client.CoreV1().Pods("default").Create(ctx, pod, metav1.CreateOptions{}); err != nil {
			t.Error(err)
		}
	}}
	gone := false
	err = tracer.Run(ctx, func(e trace.Event) {
		switch s := e.Pod.Status.ContainerStatuses; {
		case e.Type == "DELETED":
			gone = true
			cancel()
		case e.Pod.DeletionTimestamp == nil && len(s) > 0 && s[0].RestartCount > 0 && s[0].State.Waiting != nil:
			if err := client.CoreV1().Pods("default").Delete(ctx, "p", metav1.DeleteOptions{}); err != nil {
				t.Error(err)
			}
		}
	})
	if err != nil || !gone {
		t.Fatalf("the pod did not come to its end: %v", err)
	}
	if err := c.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	report, err := replay.Verify(strings.NewReader(string(text)))
	if err != nil || report.Decisions < 10 || report.Pods != 1 || len(report.Different) > 0 || len(report.Problems) > 0 {
		t.Errorf("%+v, %v", report, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("what may be secret is open to others: %v, %v", info.Mode(), err)
	}
}

func TestRecordDecisionsRefused(t *testing.T) {
	for want, o := range map[string]Options{
		"no node that decides": {Ephemeral: true, Runtime: RuntimeNone, RecordDecisions: "x"},
		"/nowhere/x":           {Ephemeral: true, Runtime: RuntimeSim, RecordDecisions: "/nowhere/x", Kubeconfig: filepath.Join(t.TempDir(), "k")},
	} {
		if _, err := Up(t.Context(), o, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
