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
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/podling/podling/manifest"
)

// farewell is how long things may take to go beyond the grace period.
const farewell = time.Minute

// clean deletes what was made, from the top down so that no controller replaces what goes, and shows
// it until everything is gone.
func (t *trial) clean(ctx context.Context) error {
	if len(t.made) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, t.GracePeriod+farewell)
	defer cancel()
	t.Doing("deleting")
	made := slices.Clone(t.made)
	slices.Reverse(made)
	if err := t.Client.Delete(ctx, slices.Concat(made, t.between), t.grace()); err != nil {
		return err
	}
	var first error
	keep := func(err error) {
		if first == nil {
			first = err
		}
	}
	hurried := map[types.UID]bool{}
	for _, r := range t.roots {
		for _, m := range r.pods {
			keep(t.hurry(ctx, m, hurried))
		}
	}
	for left := t.left(); len(left) > 0; left = t.left() {
		t.Doing("until deleted: " + left[0])
		select {
		case e := <-t.events:
			r, err := t.see(ctx, e)
			keep(err)
			if r != nil {
				keep(t.hurry(ctx, r.pods[e.Pod.UID], hurried))
			}
		case err := <-t.failed:
			return err
		case <-ctx.Done():
			return fmt.Errorf("not gone %v after the end of their grace period: %s", farewell, strings.Join(left, ", "))
		}
	}
	keep(t.gone(ctx, made))
	return first
}

// grace is the grace period in the API's seconds.
func (t *trial) grace() int64 { return int64(t.GracePeriod / time.Second) }

// hurry deletes a pod that a controller made, which otherwise has all the time that its spec gives it.
func (t *trial) hurry(ctx context.Context, m *member, hurried map[types.UID]bool) error {
	pod, grace := m.pod, t.grace()
	if m.gone || hurried[pod.UID] || metav1.GetControllerOf(pod) == nil || leaving(pod, grace) {
		return nil
	}
	hurried[pod.UID] = true
	err := t.Pods.Pods(pod.Namespace).Delete(ctx, pod.Name, metav1.DeleteOptions{
		GracePeriodSeconds: &grace, Preconditions: &metav1.Preconditions{UID: &pod.UID}})
	if err == nil || apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil
	}
	return fmt.Errorf("pod %s/%s cannot be deleted: %w", pod.Namespace, pod.Name, err)
}

// leaving says that a pod has been deleted already, with no more time than that.
func leaving(pod *v1.Pod, grace int64) bool {
	given := pod.DeletionGracePeriodSeconds
	return pod.DeletionTimestamp != nil && given != nil && *given <= grace
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

// gone waits until everything else is gone too: a namespace takes its time, and the same manifests
// cannot be tried again before.
func (t *trial) gone(ctx context.Context, objects []*unstructured.Unstructured) error {
	for {
		left, err := t.Client.Left(ctx, objects)
		if err != nil {
			return fmt.Errorf("whether everything is deleted is not known: %w", err)
		}
		if len(left) == 0 {
			return nil
		}
		name := strings.ToLower(left[0].GetKind()) + " " + left[0].GetName()
		t.Doing("until deleted: " + name)
		select {
		case <-ctx.Done():
			return fmt.Errorf("not gone %v after the end of their grace period: %s and %d more", farewell, name, len(left)-1)
		case <-time.After(100 * time.Millisecond):
		}
	}
}
