package trace

import (
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The sources of a Moment.
const (
	FromWatch  = "watch"  // when the event arrived that showed it
	FromStatus = "status" // a time that the pod's status or metadata tells
	FromEvent  = "event"  // a time that a Kubernetes Event tells
)

// Moment is a time, and how well it is known.
type Moment struct {
	Time   time.Time
	Source string
	// Within is how much later than Time it may have been: the API's times are cut to whole seconds.
	Within time.Duration
}

// prompt is how far behind its own time an Event may arrive for the arrival to be the better time:
// the second that was cut off, and some for the writing.
const prompt = 2 * time.Second

func arrival(e *Event) Moment { return Moment{Time: e.Time, Source: FromWatch} }

// written is a time as the API has it.
func written(t metav1.Time, source string) Moment {
	return Moment{Time: t.Time, Source: source, Within: time.Second}
}

// saidAt is when an Event says that it happened, the last time if it happened more than once.
func saidAt(e *v1.Event) Moment {
	switch {
	case e.Series != nil && !e.Series.LastObservedTime.IsZero():
		return Moment{Time: e.Series.LastObservedTime.Time, Source: FromEvent}
	case !e.LastTimestamp.IsZero():
		return written(e.LastTimestamp, FromEvent)
	case !e.EventTime.IsZero():
		return Moment{Time: e.EventTime.Time, Source: FromEvent}
	}
	return written(e.CreationTimestamp, FromEvent)
}

// When is when something happened: when it arrived, where that is finer than what the API tells and
// it was seen as it happened, and what the API tells otherwise.
func (e *Event) When() Moment {
	if e.Type == Past {
		return Moment{Time: e.Time, Source: FromStatus, Within: time.Second}
	}
	if e.Said == nil {
		return arrival(e)
	}
	at := saidAt(e.Said)
	if late := e.Time.Sub(at.Time); at.Within > 0 && !e.Existing && late >= 0 && late <= prompt {
		return arrival(e)
	}
	return at
}
