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

	"github.com/podling/podling/explain"
)

// recorded is a line of a recording.
type recorded struct {
	Time      time.Time          `json:"time"`
	Event     string             `json:"event"`
	Namespace string             `json:"namespace"`
	Name      string             `json:"name"`
	Status    *v1.PodStatus      `json:"status"`
	Metadata  *metav1.ObjectMeta `json:"metadata"`
	Spec      *v1.PodSpec        `json:"spec"`

	Said    *v1.Event `json:"said"`    // of an EVENT
	Version int       `json:"version"` // of the first line
	Events  bool      `json:"events"`  // of the first line: Events were recorded too
}

// recordingVersion is that of the recordings that can be read; those without a first line that says so
// are of it too.
const recordingVersion = 1

// notRecorded is what a recording does not hold.
var notRecorded = []explain.Part{explain.PartEvents, explain.PartLogs, explain.PartNodes, explain.PartPods, explain.PartConfigMaps,
	explain.PartSecrets, explain.PartServiceAccounts, explain.PartClaims, explain.PartVolumes, explain.PartClasses, explain.PartBudgets}

// ErrCut says that the last line of a recording is not whole; what is before it can be used.
var ErrCut = errors.New("its last line is not whole: it was cut, or is still being written")

// Recording reads a recording (docs/recording.md): one World for each pod, as things were at its end, in
// the order in which the pods appeared. With ErrCut come the worlds of what is whole; any other error
// names the line.
func Recording(in io.Reader) ([]explain.World, error) {
	var worlds []*explain.World
	byPod := map[string]*explain.World{}
	var last time.Time
	var cut error
	said, withEvents := map[string][]v1.Event{}, false
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
			last = l.Time
			switch {
			case l.Event == "RECORDING":
				withEvents = l.Events
			case l.Event == "EVENT":
				withEvents = true
				said[l.Namespace+"/"+l.Name] = append(said[l.Namespace+"/"+l.Name], *l.Said)
			case l.Event == "DECISION" || l.Event == "PAST": // not of the watch
			case l.Status != nil:
				key := l.Namespace + "/" + l.Name
				w := byPod[key]
				if w == nil || w.Gone { // a pod of the same name again
					w = &explain.World{Unseen: map[explain.Part]string{}}
					for _, p := range notRecorded {
						w.Unseen[p] = ""
					}
					if old := byPod[key]; old != nil {
						*old = *w // the later one counts
						w = old
					} else {
						worlds = append(worlds, w)
						byPod[key] = w
					}
				}
				l.into(w)
			}
		}
		if end {
			break
		}
	}
	if len(worlds) == 0 {
		return nil, errors.New("there is no event of a pod in it")
	}
	out := make([]explain.World, len(worlds))
	for i, w := range worlds {
		w.Now = last
		if withEvents {
			delete(w.Unseen, explain.PartEvents)
			for _, e := range said[w.Pod.Namespace+"/"+w.Pod.Name] {
				if e.InvolvedObject.UID == w.Pod.UID || w.Pod.UID == "" || e.InvolvedObject.UID == "" {
					w.Events = append(w.Events, e)
				}
			}
		}
		out[i] = *w
	}
	return out, cut
}

func (l *recorded) check() error {
	switch l.Event {
	case "ADDED", "MODIFIED", "DELETED":
		if l.Name == "" || l.Status == nil {
			return fmt.Errorf("an event %s needs name and status", l.Event)
		}
	case "RECORDING":
		if l.Version != recordingVersion {
			return fmt.Errorf("it is of version %d, and this podling reads version %d: use the podling that wrote it, or a later one", l.Version, recordingVersion)
		}
	case "EVENT":
		if l.Said == nil {
			return errors.New("an event EVENT needs said")
		}
	case "ERROR", "DECISION", "PAST":
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

// into takes the event into the world.
func (l *recorded) into(w *explain.World) {
	pod := &v1.Pod{Status: *l.Status}
	if l.Metadata != nil {
		pod.ObjectMeta = *l.Metadata
	}
	pod.Namespace, pod.Name = l.Namespace, l.Name
	if l.Spec != nil {
		pod.Spec = *l.Spec
	} else {
		w.Unseen[explain.PartSpec] = "events that were printed, and not recorded (--record), have none"
	}
	if w.Pod != nil {
		w.Timeline = append(w.Timeline, explain.Moment{Time: l.Time, Pod: w.Pod})
	}
	w.Pod, w.Gone = pod, l.Event == "DELETED"
}
