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
	Metadata *metav1.ObjectMeta `json:"metadata,omitempty"`
	Spec     *v1.PodSpec        `json:"spec,omitempty"`
}

// Print writes one event.
func (p *JSONPrinter) Print(e Event) error {
	l := line{Time: e.Time.UTC(), Event: e.Type}
	if e.Err != nil {
		l.Error = e.Err.Error()
	}
	if e.Pod != nil {
		l.Namespace, l.Name, l.Status = e.Pod.Namespace, e.Pod.Name, &e.Pod.Status
		if p.whole {
			l.Metadata, l.Spec = e.Pod.ObjectMeta.DeepCopy(), &e.Pod.Spec
			l.Metadata.ManagedFields = nil
		}
	}
	return p.out.Encode(l)
}
