package main

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
)

// TestSimulations: a cluster whose processes are not named cannot be measured.
func TestSimulations(t *testing.T) {
	t.Setenv("PODLING_BENCH_KWOK", "")
	t.Setenv("PODLING_BENCH_UPSTREAM", "")
	if all, err := simulations(); err != nil || len(all) != 0 {
		t.Errorf("%v, %v; want none", all, err)
	}
	t.Setenv("PODLING_BENCH_KWOK", "kubeconfig")
	if all, err := simulations(); err == nil || !strings.Contains(err.Error(), "PODLING_BENCH_KWOK_PIDS") {
		t.Errorf("%v, %v; want an error that says what is missing", all, err)
	}
}

// TestSettle: what the last load has left is waited for.
func TestSettle(t *testing.T) {
	now := metav1.Now()
	load := &v1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "load-1", DeletionTimestamp: &now, Finalizers: []string{"test"}}}
	client := fake.NewClientset(load, &v1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "default"}})
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := settle(ctx, client); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("settle = %v; want that it waited for %s", err, load.Name)
	}
	if err := client.Tracker().Delete(v1.SchemeGroupVersion.WithResource("namespaces"), "", load.Name); err != nil {
		t.Fatal(err)
	}
	if err := settle(t.Context(), client); err != nil {
		t.Error(err)
	}
}

func TestPerHour(t *testing.T) {
	if got := perHour(5, 30*time.Second); got != 600 {
		t.Errorf("perHour = %v; want 600", got)
	}
}
