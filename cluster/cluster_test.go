package cluster

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

func TestControlPlaneAlone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	var steps []string
	c, err := Up(t.Context(), Options{DataDir: dir, Runtime: RuntimeNone}, func(name string, took time.Duration) {
		if took <= 0 {
			t.Errorf("%s took %v", name, took)
		}
		steps = append(steps, name)
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Stop(context.WithoutCancel(t.Context()))
	if got := strings.Join(steps, ", "); !strings.HasPrefix(got, "etcd, API server, ") {
		t.Errorf("the steps are %s", got)
	}
	if names := c.NodeNames(); len(names) != 0 {
		t.Errorf("it has nodes: %v", names)
	}

	config, err := clientcmd.BuildConfigFromFlags("", filepath.Join(dir, "kubeconfig"))
	if err != nil {
		t.Fatal(err)
	}
	if host, want := config.Host, "https://127.0.0.1:"; !strings.HasPrefix(host, want) {
		t.Errorf("the API listens on %s, want %s…", host, want)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "first"},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "busybox"}}},
	}
	if _, err := client.CoreV1().Pods("default").Create(t.Context(), pod, metav1.CreateOptions{}); err != nil {
		t.Errorf("a pod right after the start: %v", err)
	}

	_, err = Up(t.Context(), Options{DataDir: dir, Runtime: RuntimeNone}, nil)
	if want := fmt.Sprintf("is in use by process %d", os.Getpid()); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("a second one on the same folder: %v", err)
	}

	if err := c.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	select {
	case <-c.Done():
		t.Errorf("a stop is not a failure: %v", c.Err())
	default:
	}
	again, err := openFolder(dir)
	if err != nil {
		t.Fatalf("the folder is not free after the stop: %v", err)
	}
	if err := again.close(); err != nil {
		t.Error(err)
	}
}

func TestEphemeralLeavesNothing(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	c, err := Up(t.Context(), Options{Ephemeral: true, Runtime: RuntimeNone, Kubeconfig: kubeconfig}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	left, err := os.ReadDir(tmp)
	if err != nil {
		t.Fatal(err)
	}
	if len(left) > 0 {
		t.Errorf("it left %v", left)
	}
}

func TestFailedStartLeavesNothing(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	address := taken.Addr().String()
	_, err = Up(t.Context(), Options{Ephemeral: true, Runtime: RuntimeNone, Listen: address}, nil)
	if err == nil || !strings.Contains(err.Error(), address) {
		t.Errorf("the port that is taken: %v", err)
	}
	left, err := os.ReadDir(tmp)
	if err != nil {
		t.Fatal(err)
	}
	if len(left) > 0 {
		t.Errorf("it left %v", left)
	}
}
