package trace

import (
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/watch"
)

// The types of what is no event of a pod's watch.
const (
	Said watch.EventType = "EVENT" // a Kubernetes Event about a pod
	Past watch.EventType = "PAST"  // what a pod tells of a time before the trace began
)

// Event is one step of a pod's timeline.
type Event struct {
	// Time is when the event arrived here; Since is the same from the Tracer's Start on. Of what is
	// past, Time is what the API says, in whole seconds, and Since is negative.
	Time  time.Time
	Since time.Duration

	// Type is ADDED, MODIFIED, DELETED or ERROR (bookmarks are hidden), Said or Past.
	Type watch.EventType

	// Pod is the pod as the event carried it, the last state in the case of DELETED. It is nil in an
	// ERROR and where a Kubernetes Event was said, and shared: do not change it.
	Pod *v1.Pod

	// Said is the Kubernetes Event; nil unless Type is Said. It is shared as well.
	Said *v1.Event

	// Changes is what differs from the last known state of the pod; from nothing in the case of ADDED.
	Changes []Change

	// Writers are those who made the changes, as far as the pod tells, if the Tracer is asked for
	// them. None is named where Existing.
	Writers []Writer

	// Existing says that the pod, or what was said of it, was there when the trace began.
	Existing bool

	// Err is what the API server said in an ERROR event.
	Err error
}

// About names the pod that the event is about; both are empty in an ERROR.
func (e *Event) About() (namespace, name string) {
	switch {
	case e.Pod != nil:
		return e.Pod.Namespace, e.Pod.Name
	case e.Said != nil:
		return e.Said.InvolvedObject.Namespace, e.Said.InvolvedObject.Name
	}
	return "", ""
}
