package podlingtest

import (
	"context"
	"errors"
	"fmt"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/podling/podling/trace"
)

// Named is a pod to wait for of which nothing but the name is known yet.
func Named(namespace, name string) *v1.Pod {
	return &v1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
}

// errReached ends a watch that has seen what it was for.
var errReached = errors.New("reached")

// WaitFor waits until the condition holds of the pod of that namespace and name, from
// now on, and gives the pod as it is then; nil if it is Gone. What may be over too
// soon to be waited for, as in VirtualTime, is WentThrough's.
func (c *Cluster) WaitFor(pod *v1.Pod, condition Condition) *v1.Pod {
	c.t.Helper()
	var now *v1.Pod
	var not error
	follow := func(e trace.Event) error {
		now = e.Pod
		if e.Type == watch.Deleted {
			now = nil
		}
		not = condition(now)
		return not
	}
	one := trace.Tracer{Namespace: pod.Namespace, Names: []string{pod.Name}}
	if one.Namespace == "" {
		one.Namespace = metav1.NamespaceDefault
	}
	why := c.watch(&one, follow, func() error {
		if now == nil {
			not = condition(nil)
		}
		return not
	})
	if why != nil {
		c.tell(one.Namespace+"/"+pod.Name, not, why)
	}
	return now
}

// WaitForPods waits until the condition holds of n pods, of those that are in the
// namespace and whose labels match the selector, from now on, and gives these.
func (c *Cluster) WaitForPods(namespace, selector string, n int, condition Condition) []*v1.Pod {
	c.t.Helper()
	held := map[string]*v1.Pod{}
	refused := map[string]error{}
	listed := false
	enough := func() error {
		if !listed || len(held) < n {
			return fmt.Errorf("%d are", len(held))
		}
		return nil
	}
	follow := func(e trace.Event) error {
		delete(held, e.Pod.Name)
		delete(refused, e.Pod.Name)
		if e.Type == watch.Deleted {
			return enough()
		}
		if err := condition(e.Pod); err == nil {
			held[e.Pod.Name] = e.Pod
		} else {
			refused[e.Pod.Name] = err
		}
		return enough()
	}
	why := c.watch(&trace.Tracer{Namespace: namespace, Labels: selector}, follow, func() error {
		listed = true
		return enough()
	})
	if why != nil {
		c.tellAll(namespace, selector, n, len(held), refused, why)
	}
	out := make([]*v1.Pod, 0, len(held))
	for _, name := range sorted(held) {
		out = append(out, held[name])
	}
	return out
}

// watch follows pods until one of the two says nil: follow of an event, listed once
// the first list is through. The error is why it did not come to that.
func (c *Cluster) watch(of *trace.Tracer, follow func(trace.Event) error, listed func() error) error {
	ctx, cancel := c.context()
	defer cancel()
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	go func() {
		select {
		case <-c.env.process.done:
			end(c.env.process.gone())
		case <-ctx.Done():
		}
	}()
	see := func(err error) {
		switch _, hopeless := errors.AsType[never](err); {
		case ctx.Err() != nil:
		case err == nil:
			end(errReached)
		case hopeless:
			end(err)
		}
	}
	of.Pods = c.Client.CoreV1()
	of.Listed = func() { see(listed()) }
	err := of.Run(ctx, func(e trace.Event) {
		if ctx.Err() == nil && e.Type != watch.Error {
			see(follow(e))
		}
	})
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, errReached):
		return nil
	case errors.Is(cause, context.DeadlineExceeded):
		return fmt.Errorf("not within %s", c.timeout)
	case cause != nil:
		return cause
	}
	if c.over() { // and that is why, rather than what it did not answer
		return c.env.process.gone()
	}
	return err
}
