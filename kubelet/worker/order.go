package worker

import (
	"context"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"

	"github.com/podling/podling/clock"
	"github.com/podling/podling/lifecycle"
)

// order makes sidecars end after the containers that they serve: first the
// regular containers, then the sidecars from the last to the first (KEP-753;
// upstream: pkg/kubelet/kuberuntime/kuberuntime_termination_order.go).
type order struct {
	done  map[string]chan struct{} // closed when that container has ended
	wait4 map[string][]string      // whom each has to wait for

	mu   sync.Mutex
	left map[string]int // how many of that name still run: seldom more than one
}

func newOrder(pod *v1.Pod, containers []lifecycle.Container) *order {
	o := &order{done: map[string]chan struct{}{}, wait4: map[string][]string{}, left: map[string]int{}}
	for _, c := range containers {
		if c.State != lifecycle.Running && c.State != lifecycle.Unknown {
			continue
		}
		if o.left[c.Name]++; o.done[c.Name] == nil {
			o.done[c.Name] = make(chan struct{})
		}
	}
	var before []string
	for _, c := range pod.Spec.Containers {
		before = append(before, c.Name)
	}
	for i := len(pod.Spec.InitContainers) - 1; i >= 0; i-- {
		c := &pod.Spec.InitContainers[i]
		if c.RestartPolicy == nil || *c.RestartPolicy != v1.ContainerRestartPolicyAlways {
			continue
		}
		o.wait4[c.Name] = append([]string(nil), before...)
		before = append(before, c.Name)
	}
	return o
}

// wait waits for the container's turn, for at most grace, and gives the whole
// seconds that it took.
func (o *order) wait(ctx context.Context, clk clock.Clock, name string, grace time.Duration) int64 {
	began := clk.Now()
	t := clk.NewTimer(grace)
	defer t.Stop()
	for _, other := range o.wait4[name] {
		done := o.done[other]
		if done == nil {
			continue // it does not run
		}
		over := false
		clock.Pause(clk, func() {
			select {
			case <-done:
			case <-t.C():
				over = true
			case <-ctx.Done():
			}
		})
		switch {
		case over:
			return int64(grace.Seconds())
		case ctx.Err() != nil:
			return int64(clk.Since(began).Seconds())
		}
	}
	return int64(clk.Since(began).Seconds())
}

// ended: one container of that name has.
func (o *order) ended(name string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.left[name]--; o.left[name] == 0 {
		close(o.done[name])
	}
}
