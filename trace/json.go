package trace

import (
	"encoding/json"
	"io"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
)

// JSONPrinter writes events for programs: a line of JSON for each. docs/recording.md describes them.
type JSONPrinter struct {
	out   *json.Encoder
	whole bool
}

// NewJSONPrinter prints time, event, namespace, name and status to out.
func NewJSONPrinter(out io.Writer) *JSONPrinter {
	return &JSONPrinter{out: encoder(out)}
}

// NewRecorder prints the same and the pod's metadata and spec, so that nothing of a timeline is lost.
// A recording begins with a Header.
func NewRecorder(out io.Writer) *JSONPrinter {
	return &JSONPrinter{out: encoder(out), whole: true}
}

// encoder leaves <, > and & as they are: the lines are read by programs, not by browsers.
func encoder(out io.Writer) *json.Encoder {
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false)
	return e
}

// line is one event as JSON.
type line struct {
	Time      time.Time       `json:"time"`
	Event     watch.EventType `json:"event"`
	Namespace string          `json:"namespace"`
	Name      string          `json:"name"`
	Status    *v1.PodStatus   `json:"status"`

	Error    string             `json:"error,omitempty"`
	Changes  []pastChange       `json:"changes,omitempty"`
	Said     *v1.Event          `json:"said,omitempty"`
	Metadata *metav1.ObjectMeta `json:"metadata,omitempty"`
	Spec     *v1.PodSpec        `json:"spec,omitempty"`
	Existing bool               `json:"existing,omitempty"`
	Writers  []Writer           `json:"writers,omitempty"`

	Version int    `json:"version,omitempty"` // these are in a recording's first line
	By      string `json:"by,omitempty"`
	Events  bool   `json:"events,omitempty"`
}

// pastChange is what is known to have happened at some time in the past.
type pastChange struct {
	Field  string `json:"field"`
	Is     string `json:"is"`
	Detail string `json:"detail,omitempty"`
}

// Print writes one event.
func (p *JSONPrinter) Print(e Event) error {
	l := line{Time: e.Time.UTC(), Event: e.Type}
	l.Namespace, l.Name = e.About()
	if e.Err != nil {
		l.Error = e.Err.Error()
	}
	if e.Said != nil {
		l.Said = e.Said.DeepCopy()
		l.Said.ManagedFields = nil
	}
	if e.Type == Past {
		for _, c := range e.Changes {
			l.Changes = append(l.Changes, pastChange{c.Path(), c.Is, c.Detail})
		}
		return p.out.Encode(l)
	}
	if e.Pod != nil {
		l.Status = &e.Pod.Status
	}
	if p.whole {
		l.Existing, l.Writers = e.Existing, e.Writers
		if e.Pod != nil {
			l.Metadata, l.Spec = e.Pod.ObjectMeta.DeepCopy(), &e.Pod.Spec
			l.Metadata.ManagedFields = nil
		}
	}
	return p.out.Encode(l)
}
