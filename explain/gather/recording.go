package gather

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/podling/podling/explain"
	"github.com/podling/podling/trace"
)

// recorded is a line of a recording.
type recorded struct {
	Time      time.Time          `json:"time"`
	Event     watch.EventType    `json:"event"`
	Namespace string             `json:"namespace"`
	Name      string             `json:"name"`
	Status    *v1.PodStatus      `json:"status"`
	Metadata  *metav1.ObjectMeta `json:"metadata"`
	Spec      *v1.PodSpec        `json:"spec"`

	Said    *v1.Event `json:"said"`    // of an EVENT
	Version int       `json:"version"` // of the first line
	Events  bool      `json:"events"`  // of the first line: Events were recorded too
}

// ErrCut says that the last line of a recording is not whole; what is before it can be used.
var ErrCut = errors.New("its last line is not whole: it was cut, or is still being written")

// Recording reads a recording (docs/recording.md): the Worlds of its events. With ErrCut come those of
// what is whole; any other error names the line.
func Recording(in io.Reader) ([]explain.World, error) {
	var events []trace.Event
	var cut error
	listened := false
	lines := bufio.NewReader(in)
	for n := 1; ; n++ {
		text, err := lines.ReadBytes('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		end := err != nil
		if len(bytes.TrimSpace(text)) > 0 {
			var l recorded
			if err := json.Unmarshal(text, &l); err != nil {
				if end && n > 1 {
					cut = fmt.Errorf("line %d: %w", n, ErrCut)
					break
				}
				return nil, fmt.Errorf("line %d is no event of a recording: %w", n, err)
			}
			if err := l.check(); err != nil {
				return nil, fmt.Errorf("line %d is no event of a recording: %w", n, err)
			}
			listened = listened || l.Events
			events = append(events, l.event())
		}
		if end {
			break
		}
	}
	worlds := Worlds(events, listened)
	if len(worlds) == 0 {
		return nil, errors.New("there is no event of a pod in it")
	}
	return worlds, cut
}

func (l *recorded) check() error {
	switch l.Event {
	case watch.Added, watch.Modified, watch.Deleted:
		if l.Name == "" || l.Status == nil {
			return fmt.Errorf("an event %s needs name and status", l.Event)
		}
	case "RECORDING":
		if l.Version != trace.RecordingVersion {
			return fmt.Errorf("it is of version %d, and this podling reads version %d: use the podling that wrote it, or a later one", l.Version, trace.RecordingVersion)
		}
	case trace.Said:
		if l.Said == nil {
			return errors.New("an event EVENT needs said")
		}
	case watch.Error, trace.Decision, trace.Past:
	case "":
		return errors.New(`it has no field "event"`)
	default:
		return fmt.Errorf("event %q is not known: docs/recording.md says which there are", l.Event)
	}
	if l.Time.IsZero() {
		return errors.New(`it has no field "time"`)
	}
	return nil
}

// event is the line as a trace has it.
func (l *recorded) event() trace.Event {
	e := trace.Event{Time: l.Time, Type: l.Event, Said: l.Said}
	if l.Said != nil {
		l.Said.InvolvedObject.Namespace, l.Said.InvolvedObject.Name = l.Namespace, l.Name
	}
	if l.Status == nil {
		return e
	}
	e.Pod = &v1.Pod{Status: *l.Status}
	if l.Metadata != nil {
		e.Pod.ObjectMeta = *l.Metadata
	}
	e.Pod.Namespace, e.Pod.Name = l.Namespace, l.Name
	if l.Spec != nil {
		e.Pod.Spec = *l.Spec
	}
	return e
}
