// Package crash has containers end again and again on a cluster, and times how soon
// that is shown and how soon they run again.
//
// When a container begins and ends it says itself, in its log, where the container
// runtime puts the time; so the same figures come out for every cluster that runs
// on the machine that measures.
package crash

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// Options say how much ends how often.
type Options struct {
	Pods     int
	Restarts int    // of each; they take 0, 10, 20, 40 … seconds
	Image    string // it has to have a shell
}

// A Result is what was measured, of all ends of all pods, sorted.
type Result struct {
	Shown     []time.Duration // from the end to the watch event that says terminated
	BackOff   []time.Duration // from the end to the one that says CrashLoopBackOff, where there was one
	Restarted []time.Duration // from the end of the back-off to the next begin
}

const (
	begins, ends = "begins", "ends"
	firstBackOff = 10 * time.Second
)

// Measure creates the pods in the namespace, which has to be there, and follows
// them until each has restarted often enough.
func Measure(ctx context.Context, config *rest.Config, namespace string, o Options) (Result, error) {
	config = rest.CopyConfig(config)
	config.QPS = -1 // the cluster is measured, not a limiter here
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return Result{}, err
	}
	lives := make([]life, o.Pods)
	group, ctx := errgroup.WithContext(ctx)
	for i := range lives {
		l := &lives[i]
		*l = life{client: client, namespace: namespace, name: fmt.Sprint("crash-", i), shown: map[int32]time.Time{}, backOff: map[int32]time.Time{}, said: map[string]time.Time{}}
		group.Go(func() error { return l.follow(ctx, o) })
	}
	if err := group.Wait(); err != nil {
		return Result{}, err
	}
	var all Result
	for i := range lives {
		if err := lives[i].sum(&all, o.Restarts); err != nil {
			return Result{}, err
		}
	}
	for _, list := range [][]time.Duration{all.Shown, all.BackOff, all.Restarted} {
		slices.Sort(list)
	}
	return all, nil
}

// A life is one pod's.
type life struct {
	client          kubernetes.Interface
	namespace, name string
	shown, backOff  map[int32]time.Time  // by restart count: when a watch saw that end, and the back-off after it
	said            map[string]time.Time // lines of its log, each of which is there once
}

func (l *life) follow(ctx context.Context, o Options) error {
	pods := l.client.CoreV1().Pods(l.namespace)
	w, err := pods.Watch(ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + l.name})
	if err != nil {
		return fmt.Errorf("watch of pod %s: %w", l.name, err)
	}
	defer w.Stop()
	if _, err := pods.Create(ctx, l.pod(o), metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("pod %s: %w", l.name, err)
	}
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case e, ok := <-w.ResultChan():
			pod, is := e.Object.(*v1.Pod)
			if !ok || !is || e.Type == watch.Deleted {
				return fmt.Errorf("the watch of pod %s ended: %v", l.name, e.Type)
			}
			if len(pod.Status.ContainerStatuses) == 0 {
				continue
			}
			if over, err := l.note(ctx, time.Now(), pod.Status.ContainerStatuses[0], o); over || err != nil {
				return err
			}
		}
	}
}

// note takes in what the watch shows at that time, and says whether that was the last of it.
func (l *life) note(ctx context.Context, at time.Time, s v1.ContainerStatus, o Options) (over bool, err error) {
	first := func(when map[int32]time.Time) bool {
		if _, seen := when[s.RestartCount]; seen {
			return false
		}
		when[s.RestartCount] = at
		return true
	}
	switch {
	case s.State.Terminated != nil && first(l.shown):
		return false, l.read(ctx, false)
	case s.State.Waiting != nil && s.State.Waiting.Reason == "CrashLoopBackOff":
		first(l.backOff)
	case s.State.Running != nil && s.RestartCount > 0:
		if err := l.read(ctx, true); err != nil {
			return false, err
		}
		if int(s.RestartCount) < o.Restarts {
			return false, nil
		}
		for l.said[fmt.Sprint(begins, o.Restarts)].IsZero() { // it runs, but may not have spoken yet
			if err := errors.Join(l.read(ctx, false), ctx.Err()); err != nil {
				return false, err
			}
		}
		return true, nil
	}
	return false, nil
}

// read takes in what the container says in its log, or what the one before it said.
func (l *life) read(ctx context.Context, previous bool) error {
	log, err := l.client.CoreV1().Pods(l.namespace).GetLogs(l.name, &v1.PodLogOptions{Timestamps: true, Previous: previous}).Stream(ctx)
	if err != nil {
		return fmt.Errorf("log of pod %s: %w", l.name, err)
	}
	lines := bufio.NewScanner(log)
	for lines.Scan() {
		when, what, _ := strings.Cut(lines.Text(), " ")
		t, err := time.Parse(time.RFC3339Nano, when)
		if err != nil {
			return fmt.Errorf("log of pod %s: %w", l.name, err)
		}
		l.said[what] = t
	}
	return errors.Join(lines.Err(), log.Close())
}

// sum adds what became of the pod to all.
func (l *life) sum(all *Result, restarts int) error {
	wait := time.Duration(0)
	for n := range restarts {
		end, ended := l.said[fmt.Sprint(ends, n)]
		next, began := l.said[fmt.Sprint(begins, n+1)]
		if !ended || !began {
			return fmt.Errorf("the log of pod %s does not say when run %d ended and the next began", l.name, n)
		}
		if at, ok := l.shown[int32(n)]; ok {
			all.Shown = append(all.Shown, at.Sub(end))
		}
		if at, ok := l.backOff[int32(n)]; ok {
			all.BackOff = append(all.BackOff, at.Sub(end))
		}
		all.Restarted = append(all.Restarted, next.Sub(end)-wait)
		wait = max(2*wait, firstBackOff)
	}
	return nil
}

// pod is one whose container runs for a second, counts its runs, and fails.
func (l *life) pod(o Options) *v1.Pod {
	grace, token := int64(1), false
	count := fmt.Sprintf("n=$(cat /runs/n 2>/dev/null || echo 0); echo $((n+1)) >/runs/n; echo %s$n; sleep 1; echo %s$n; exit 1", begins, ends)
	return &v1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: l.name},
		Spec: v1.PodSpec{
			TerminationGracePeriodSeconds: &grace,
			AutomountServiceAccountToken:  &token,
			Volumes:                       []v1.Volume{{Name: "runs", VolumeSource: v1.VolumeSource{EmptyDir: &v1.EmptyDirVolumeSource{}}}},
			Containers: []v1.Container{{
				Name: "main", Image: o.Image, ImagePullPolicy: v1.PullIfNotPresent,
				Command:      []string{"sh", "-c", count},
				VolumeMounts: []v1.VolumeMount{{Name: "runs", MountPath: "/runs"}},
			}},
		},
	}
}
