// Package load creates pods on a cluster and times what one watch shows of them.
//
// It sees what any client sees, from the create call to the watch event, so that
// the same figures come out of it for every cluster; where in a pod's way the time
// was spent it does not know.
package load

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"
)

// Options say what is created.
type Options struct {
	Pods     int
	Parallel int    // create calls at once; 1 creates the next pod once the last one runs
	Image    string // it has to have a shell
	Deletes  int    // delete calls at once; default 1
	// Ran, if set, is called while all pods run, before the first is deleted.
	Ran func(context.Context) error
}

// A Result is what was measured. The times are of each pod, sorted.
type Result struct {
	Running    []time.Duration // from the create call to the watch event that says Running
	Gone       []time.Duration // from the delete call to the watch event that says DELETED
	AllRunning time.Duration   // from the first create call until every pod is Running
	AllGone    time.Duration   // from the first delete call until every pod is gone
}

// Until all pods run, and until all are gone, may take limit, and limitPod for each.
const (
	limit    = 10 * time.Minute
	limitPod = 20 * time.Millisecond
)

// Measure creates the pods in a namespace of its own, waits until all run, deletes
// them, and waits until all are gone.
func Measure(ctx context.Context, config *rest.Config, o Options) (_ Result, err error) {
	config = rest.CopyConfig(config)
	config.QPS = -1 // the cluster is measured, not a limiter here
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return Result{}, err
	}
	namespace, remove, err := Namespace(ctx, client)
	if err != nil {
		return Result{}, err
	}
	defer func() { err = errors.Join(err, remove()) }()
	r := &run{Options: o, client: client, namespace: namespace, timeline: newTimeline(o.Pods)}
	group, ctx := errgroup.WithContext(ctx)
	watching, stop := context.WithCancel(ctx)
	defer stop()
	shown, err := follow(watching, client, namespace)
	if err != nil {
		return Result{}, fmt.Errorf("watch of pods: %w", err)
	}
	group.Go(func() error { return r.timeline.follow(watching, shown) })
	group.Go(func() error {
		defer stop()
		if err := r.within(ctx, r.create); err != nil {
			return err
		}
		if o.Ran != nil {
			if err := o.Ran(ctx); err != nil {
				return err
			}
		}
		return r.within(ctx, r.remove)
	})
	if err := group.Wait(); err != nil {
		return Result{}, fmt.Errorf("%w (%s)", err, r.timeline)
	}
	return r.result, nil
}

// follow watches a namespace's pods. A watch that the API server ends, as it may under
// load, goes on where it ended.
func follow(ctx context.Context, client kubernetes.Interface, namespace string) (watch.Interface, error) {
	pods := client.CoreV1().Pods(namespace)
	list, err := pods.List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	return watchtools.NewRetryWatcherWithContext(ctx, list.ResourceVersion, &cache.ListWatch{
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) { return pods.Watch(ctx, o) },
	})
}

// A run is one measurement under way.
type run struct {
	Options
	client    kubernetes.Interface
	namespace string
	timeline  *timeline
	result    Result
}

// within does something that may take as long as a measurement may.
func (r *run) within(ctx context.Context, do func(context.Context) error) error {
	limit := limit + time.Duration(r.Pods)*limitPod
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("not over after %v", limit))
	defer cancel()
	return do(ctx)
}

// create creates the pods and waits until all run.
func (r *run) create(ctx context.Context) error {
	created := make([]time.Time, r.Pods)
	begin := time.Now()
	group, calls := errgroup.WithContext(ctx)
	group.SetLimit(r.Parallel)
	for i := range r.Pods {
		group.Go(func() error {
			created[i] = time.Now()
			if _, err := r.client.CoreV1().Pods(r.namespace).Create(calls, r.pod(i), metav1.CreateOptions{}); err != nil {
				return fmt.Errorf("pod %d: %w", i, err)
			}
			if r.Parallel > 1 {
				return nil
			}
			return r.timeline.await(calls, r.timeline.running[i:i+1])
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if err := r.timeline.await(ctx, r.timeline.running); err != nil {
		return err
	}
	r.result.AllRunning = time.Since(begin)
	r.result.Running = since(created, r.timeline.running)
	return nil
}

// remove deletes the pods and waits until all are gone.
func (r *run) remove(ctx context.Context) error {
	deleted := make([]time.Time, r.Pods)
	begin := time.Now()
	group, calls := errgroup.WithContext(ctx)
	group.SetLimit(max(1, r.Deletes))
	for i := range r.Pods {
		group.Go(func() error {
			deleted[i] = time.Now()
			if err := r.client.CoreV1().Pods(r.namespace).Delete(calls, name(i), metav1.DeleteOptions{}); err != nil {
				return fmt.Errorf("delete pod %d: %w", i, err)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if err := r.timeline.await(ctx, r.timeline.gone); err != nil {
		return err
	}
	r.result.AllGone = time.Since(begin)
	r.result.Gone = since(deleted, r.timeline.gone)
	return nil
}

func name(i int) string { return "p-" + strconv.Itoa(i) }

// pod is one that asks for nothing but to run until it is told to end, which it
// does at once.
func (r *run) pod(i int) *v1.Pod {
	grace, token := int64(1), false
	return &v1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name(i)},
		Spec: v1.PodSpec{
			TerminationGracePeriodSeconds: &grace,
			AutomountServiceAccountToken:  &token,
			Containers: []v1.Container{{
				Name: "main", Image: r.Image, ImagePullPolicy: v1.PullIfNotPresent,
				Command: []string{"sh", "-c", "trap 'exit 0' TERM; sleep 100000 & wait"},
			}},
		},
	}
}

// since is how long after from each of to happened, sorted.
func since(from []time.Time, to []*moment) []time.Duration {
	took := make([]time.Duration, len(from))
	for i, t := range to {
		took[i] = t.at.Sub(from[i])
	}
	slices.Sort(took)
	return took
}
