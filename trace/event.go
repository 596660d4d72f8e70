package trace

import (
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/watch"
)

// Event is one step of a pod's timeline.
type Event struct {
	// Time is when the event arrived here; Since is the same from the Tracer's Start on.
	Time  time.Time
	Since time.Duration

	// Type is ADDED, MODIFIED, DELETED or ERROR: bookmarks are hidden.
	Type watch.EventType

	// Pod is the pod as the event carried it, the last state in the case of DELETED. It is nil in an
	// ERROR, and shared: do not change it.
	Pod *v1.Pod

	// Changes is what differs from the last known state of the pod; from nothing in the case of ADDED.
	Changes []Change

	// Existing says that the pod was there when the trace began.
	Existing bool

	// Err is what the API server said in an ERROR event.
	Err error
}
