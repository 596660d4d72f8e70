package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/podling/podling/bench/cpu"
	"github.com/podling/podling/bench/load"
	"github.com/podling/podling/bench/memory"
	"github.com/podling/podling/bench/metrics"
	"github.com/podling/podling/conformance/launch"
)

const (
	// soakPods fill a node (the kubelet's default of --max-pods).
	soakPods = 110
	// soakProbed of them are asked by HTTP each second whether they are ready and live.
	soakProbed = 20
	// soakSamples are taken in the time; those of the first and of the last third are compared.
	soakSamples = 30
	// soakStart is how long the pods may take to be ready.
	soakStart = 5 * time.Minute
	soakPort  = 8080
)

// runSoak keeps a node full for a while and measures whether what it takes stays the same.
func (b *bench) runSoak(ctx context.Context) error {
	return b.onPodling(ctx, func(p *launch.Podling) (err error) {
		config, err := clientcmd.BuildConfigFromFlags("", p.Kubeconfig)
		if err != nil {
			return err
		}
		config.QPS = -1
		client, err := kubernetes.NewForConfig(config)
		if err != nil {
			return err
		}
		namespace, remove, err := load.Namespace(ctx, client)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, remove()) }()
		for i := range soakPods {
			if _, err := client.CoreV1().Pods(namespace).Create(ctx, soakPod(i), metav1.CreateOptions{}); err != nil {
				return fmt.Errorf("pod %d: %w", i, err)
			}
		}
		b.say("%d pods, %d of them probed each second, for %v", soakPods, soakProbed, b.soak)
		err = wait.PollUntilContextTimeout(ctx, time.Second, soakStart, true, func(ctx context.Context) (bool, error) {
			unwell, err := soakUnwell(ctx, client, namespace)
			return err == nil && len(unwell) == 0, err
		})
		if err != nil {
			return fmt.Errorf("not all %d pods are ready: %w", soakPods, err)
		}
		if err := b.watchSoak(ctx, client, p.Pid); err != nil {
			return err
		}
		unwell, err := soakUnwell(ctx, client, namespace)
		if err == nil && len(unwell) > 0 {
			err = fmt.Errorf("after %v not all pods are ready, or some were restarted: %s", b.soak, strings.Join(unwell, ", "))
		}
		return err
	})
}

// soakPod is a pod that serves a page, the first of them probed.
func soakPod(i int) *v1.Pod {
	c := v1.Container{
		Name: "c", Image: image,
		Command: []string{"sh", "-c", fmt.Sprintf("echo ok >/tmp/index.html; exec httpd -f -p %d -h /tmp", soakPort)},
	}
	if i < soakProbed {
		ask := &v1.Probe{
			ProbeHandler:  v1.ProbeHandler{HTTPGet: &v1.HTTPGetAction{Port: intstr.FromInt32(soakPort)}},
			PeriodSeconds: 1, TimeoutSeconds: 5, FailureThreshold: 10,
		}
		c.ReadinessProbe, c.LivenessProbe = ask, ask
	}
	return &v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("p-%d", i)}, Spec: v1.PodSpec{Containers: []v1.Container{c}}}
}

// soakUnwell are the pods that are not ready or were restarted.
func soakUnwell(ctx context.Context, client kubernetes.Interface, namespace string) ([]string, error) {
	list, err := client.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	var unwell []string
	for _, pod := range list.Items {
		if s := pod.Status.ContainerStatuses; len(s) != 1 || !s[0].Ready || s[0].RestartCount > 0 {
			unwell = append(unwell, pod.Name)
		}
	}
	return unwell, nil
}

// watchSoak takes the samples.
func (b *bench) watchSoak(ctx context.Context, client kubernetes.Interface, pid int) error {
	every := time.NewTicker(b.soak / soakSamples)
	defer every.Stop()
	before, err := cpu.Of(pid)
	if err != nil {
		return err
	}
	for i, at := 0, time.Now(); i < soakSamples; i++ {
		select {
		case <-every.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		used, err := cpu.Of(pid)
		if err != nil {
			return err
		}
		took := time.Since(at)
		at = time.Now()
		share := 100 * float64(used-before) / float64(took)
		before = used
		held, err := memory.Of(pid)
		if err != nil {
			return err
		}
		files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
		if err != nil {
			return err
		}
		running, err := goroutines(ctx, client)
		if err != nil {
			return err
		}
		b.say("%2d of %d: %.1f %% of one core, %d MB resident, %d MB anonymous, %.0f goroutines, %d open files",
			i+1, soakSamples, share, held.Resident/1e6, held.Anonymous/1e6, running, len(files))
		part := "the first third"
		switch {
		case i >= soakSamples*2/3:
			part = "the last third"
		case i >= soakSamples/3:
			continue
		}
		b.figures.add("of one core, "+part, "%", podling, share)
		b.figures.add("resident, "+part, "MB", podling, float64(held.Resident)/1e6)
		b.figures.add("anonymous, "+part, "MB", podling, float64(held.Anonymous)/1e6)
		b.figures.add("goroutines, "+part, "", podling, running)
		b.figures.add("open files, "+part, "", podling, float64(len(files)))
	}
	return nil
}

// goroutines is how many run in the process of the API server.
func goroutines(ctx context.Context, client kubernetes.Interface) (float64, error) {
	families, err := metrics.Of(ctx, client)
	if err != nil {
		return 0, err
	}
	for _, m := range families["go_goroutines"].GetMetric() {
		return m.GetGauge().GetValue(), nil
	}
	return 0, errors.New("the API server's metrics have no go_goroutines")
}
