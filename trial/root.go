package trial

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/podling/podling/manifest"
	"github.com/podling/podling/trace"
)

// root is a document, and the pods that come from it: the pod that it is, or those that a controller
// makes for it.
type root struct {
	object    *unstructured.Unstructured // as written
	namespace string
	wanted    int // pods to reach the goal
	pods      map[types.UID]*member
	said      string // of why a pod of it is not as it should be
}

// member is a pod that came from a root.
type member struct {
	pod     *v1.Pod
	verdict verdict
	gone    bool
}

func newRoot(d *manifest.Document, namespace string, goal Goal) *root {
	return &root{object: d.Object, namespace: namespace, wanted: wanted(d.Object, goal), pods: map[types.UID]*member{}}
}

// wanted is how many pods of an object are to reach the goal: 0 of a kind that is not known to make
// any. Where only the cluster knows the number, one will do.
func wanted(o *unstructured.Unstructured, goal Goal) int {
	number := func(fields ...string) (int, bool) {
		n, ok, err := unstructured.NestedInt64(o.Object, fields...)
		return int(n), ok && err == nil // the API server complains about what is not a number
	}
	switch o.GroupVersionKind().GroupKind().String() {
	case "Pod", "DaemonSet.apps", "CronJob.batch":
		return 1
	case "Deployment.apps", "ReplicaSet.apps", "StatefulSet.apps", "ReplicationController":
		if n, ok := number("spec", "replicas"); ok {
			return n
		}
		return 1
	case "Job.batch":
		n, ok := number("spec", "completions")
		parallel, several := number("spec", "parallelism")
		switch {
		case !ok:
			n = 1 // a work queue: any pod that succeeds says that all is done
		case goal == ReadyOrFinished || goal == Ready || goal == Running:
			if !several {
				parallel = 1
			}
			n = min(n, parallel)
		}
		return n
	}
	return 0
}

// single says that the root is a pod, which nobody replaces when it fails or goes.
func (r *root) single() bool { return manifest.IsPod(r.object) }

// record keeps what an event says about one of the root's pods.
func (r *root) record(e trace.Event) {
	m := r.pods[e.Pod.UID]
	if m == nil {
		m = &member{}
		r.pods[e.Pod.UID] = m
	}
	m.pod, m.gone = e.Pod, e.Type == watch.Deleted
}

// judge holds a pod against the goal. The error says that the goal is out of reach, which only a pod
// of its own can do: a controller replaces those that failed.
func (r *root) judge(m *member, goal Goal) error {
	switch {
	case m.verdict == reached:
		return nil
	case !m.gone:
		m.verdict = goal.judge(m.pod)
	case goal == Deleted:
		m.verdict = reached
	default:
		m.verdict = lost
	}
	switch {
	case m.verdict != lost || !r.single():
		return nil
	case m.gone:
		return fmt.Errorf("pod %s/%s was deleted before it was %s", m.pod.Namespace, m.pod.Name, goal)
	default:
		return fmt.Errorf("pod %s/%s: %s (%s is out of reach)", m.pod.Namespace, m.pod.Name, why(m.pod), goal)
	}
}

// satisfied says that enough of the root's pods have reached the goal.
func (r *root) satisfied() bool {
	n := 0
	for _, m := range r.pods {
		if m.verdict == reached {
			n++
		}
	}
	return n >= r.wanted
}

// open is a pod that has not reached the goal, the first by its name, nil if there is none.
func (r *root) open() *v1.Pod {
	byName := func(a, b *member) int { return strings.Compare(a.pod.Name, b.pod.Name) }
	for _, m := range slices.SortedFunc(maps.Values(r.pods), byName) {
		if m.verdict != reached && !m.gone {
			return m.pod
		}
	}
	return nil
}

// what says what is missing, in one line.
func (r *root) what() string {
	if pod := r.open(); pod != nil {
		return fmt.Sprintf("pod %s/%s: %s", pod.Namespace, pod.Name, why(pod))
	}
	if r.single() {
		return r.String() + " is not there yet"
	}
	return fmt.Sprintf("%s has made %d of the %d pods that are waited for", r, len(r.pods), r.wanted)
}

// String is the root's kind and name as people write them.
func (r *root) String() string {
	name := r.object.GetName()
	if name == "" {
		name = r.object.GetGenerateName() + "…"
	}
	return strings.ToLower(r.object.GetKind()) + " " + r.namespace + "/" + name
}

// is says that the root is the object of that kind and name.
func (r *root) is(kind schema.GroupKind, namespace, name string) bool {
	return r.object.GroupVersionKind().GroupKind() == kind && r.object.GetName() == name &&
		(r.namespace == namespace || r.namespace == "")
}
