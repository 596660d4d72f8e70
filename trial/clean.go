package trial

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/podling/podling/manifest"
)

// farewell is how long pods may take to go beyond their grace period.
const farewell = time.Minute

// clean deletes what was made, and shows it until all pods are gone.
func (t *trial) clean(ctx context.Context) error {
	if len(t.made) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, t.GracePeriod+farewell)
	defer cancel()
	t.Doing("deleting")
	if err := t.Client.Delete(ctx, t.made, t.grace()); err != nil {
		return err
	}
	hurried := map[types.UID]bool{}
	var first error
	for {
		left := t.left()
		if len(left) == 0 {
			return first
		}
		t.Doing("until deleted: " + left[0])
		select {
		case e := <-t.events:
			_, err := t.see(ctx, e)
			if err == nil && e.Pod != nil && t.pods[e.Pod.UID] != nil && !hurried[e.Pod.UID] && t.slow(e.Pod) {
				hurried[e.Pod.UID] = true
				err = t.hurry(ctx, e.Pod)
			}
			if first == nil {
				first = err
			}
		case err := <-t.failed:
			return err
		case <-ctx.Done():
			return fmt.Errorf("not deleted %v after the end of their grace period: %s", farewell, strings.Join(left, ", "))
		}
	}
}

// grace is the grace period in the API's seconds.
func (t *trial) grace() int64 { return int64(t.GracePeriod / time.Second) }

// slow says that a pod was deleted with a longer grace period than ours: its own, as its controller
// was deleted and took it along.
func (t *trial) slow(pod *v1.Pod) bool {
	grace := pod.DeletionGracePeriodSeconds
	return pod.DeletionTimestamp != nil && grace != nil && *grace > t.grace()
}

// hurry shortens the grace period of a pod that is being deleted.
func (t *trial) hurry(ctx context.Context, pod *v1.Pod) error {
	grace := t.grace()
	err := t.Pods.Pods(pod.Namespace).Delete(ctx, pod.Name, metav1.DeleteOptions{
		GracePeriodSeconds: &grace, Preconditions: &metav1.Preconditions{UID: &pod.UID}})
	if err == nil || apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil
	}
	return fmt.Errorf("the grace period of pod %s/%s cannot be shortened: %w", pod.Namespace, pod.Name, err)
}

// left names the pods of ours that are there still, seen or not.
func (t *trial) left() []string {
	seen := map[types.UID]bool{}
	var left []string
	for _, r := range t.roots {
		for uid, m := range r.pods {
			seen[uid] = true
			if !m.gone {
				left = append(left, "pod "+m.pod.Namespace+"/"+m.pod.Name)
			}
		}
	}
	for _, object := range t.made {
		if manifest.IsPod(object) && !seen[object.GetUID()] {
			left = append(left, "pod "+object.GetNamespace()+"/"+object.GetName())
		}
	}
	slices.Sort(left)
	return left
}
