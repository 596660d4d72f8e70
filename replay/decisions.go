package replay

import (
	"encoding/json"
	"errors"
	"io"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/podling/podling/lifecycle"
	"github.com/podling/podling/trace"
)

// decision is a line of a file of decisions: what lifecycle.Decide was given, and what it answered.
// Time, event, namespace, name and status are those of every recording's lines.
type decision struct {
	Time      time.Time       `json:"time"` // that Decide was given
	Event     watch.EventType `json:"event"`
	Namespace string          `json:"namespace"`
	Name      string          `json:"name"`
	Status    *v1.PodStatus   `json:"status"` // that was decided

	Node     string              `json:"node"`
	Pod      *v1.Pod             `json:"pod"`
	Observed *lifecycle.Observed `json:"observed"`
	Plan     json.RawMessage     `json:"plan"`
}

// Recorder writes down what nodes decide, for Verify.
type Recorder struct {
	mu  sync.Mutex
	out io.WriteCloser
	err error
}

// NewRecorder writes to out, beginning with the first line of a recording. by is the program.
func NewRecorder(out io.WriteCloser, by string) (*Recorder, error) {
	if err := trace.NewRecorder(out).Header(time.Now(), by, false); err != nil {
		return nil, err
	}
	return &Recorder{out: out}, nil
}

// Decided writes down one decision. A node goes on if that fails: Close tells of it.
func (r *Recorder) Decided(node string, pod *v1.Pod, seen lifecycle.Observed, now time.Time, plan lifecycle.Plan) {
	line, err := encode(node, pod, &seen, now, &plan)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return // what follows would have a gap before it
	}
	if err == nil {
		_, err = r.out.Write(line)
	}
	r.err = err
}

func encode(node string, pod *v1.Pod, seen *lifecycle.Observed, now time.Time, plan *lifecycle.Plan) ([]byte, error) {
	answer, err := json.Marshal(plan)
	if err != nil {
		return nil, err
	}
	bare := *pod // the core does not look at who wrote what
	bare.ManagedFields = nil
	line, err := json.Marshal(decision{
		Time: now, Event: trace.Decision, Namespace: pod.Namespace, Name: pod.Name, Status: &plan.Status,
		Node: node, Pod: &bare, Observed: seen, Plan: answer,
	})
	return append(line, '\n'), err
}

// Close ends the file, and returns the first error since the Recorder was made.
func (r *Recorder) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return errors.Join(r.err, r.out.Close())
}
