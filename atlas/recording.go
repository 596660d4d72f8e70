package atlas

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"strings"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/podling/podling/trace"
)

// Recording is what an example showed when it was applied to podling's own cluster: conformance's
// TestReasons writes them.
type Recording struct {
	Steps  []Step `json:"steps"`
	Events []Said `json:"events"`
}

// Step is a watch event of a pod.
type Step struct {
	Seconds float64      `json:"seconds"` // since the example was applied
	Event   string       `json:"event"`   // ADDED, MODIFIED or DELETED
	Pod     string       `json:"pod"`
	Node    string       `json:"node,omitempty"`
	Status  v1.PodStatus `json:"status"`
}

// Said is a core/v1 Event.
type Said struct {
	Seconds float64 `json:"seconds"` // of its first time, in whole seconds
	Type    string  `json:"type"`
	Reason  string  `json:"reason"`
	From    string  `json:"from"`
	About   string  `json:"about"` // the object's name, and the container's behind a slash
	Message string  `json:"message"`
}

//go:embed recorded
var recorded embed.FS

// recordingOf is what was recorded of an example; nil if nothing was.
func recordingOf(example string) (*Recording, error) {
	text, err := fs.ReadFile(recorded, "recorded/"+strings.TrimSuffix(example, ".yaml")+".json")
	if err != nil {
		return nil, nil // there is none
	}
	var r Recording
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, fmt.Errorf("recorded/%s: %w", example, err)
	}
	return &r, nil
}

// String is the recording as `podling trace` would have shown it, and the Events below.
func (r *Recording) String() string {
	var b bytes.Buffer
	p := trace.NewPrinter(&b)
	last := map[string]*v1.Pod{}
	for _, s := range r.Steps {
		pod := &v1.Pod{Status: s.Status}
		pod.Namespace, pod.Name, pod.Spec.NodeName = "default", s.Pod, s.Node
		e := trace.Event{Since: time.Duration(s.Seconds * float64(time.Second)), Type: watch.EventType(s.Event), Pod: pod, Changes: trace.Compare(last[s.Pod], pod)}
		if err := p.Print(e); err != nil {
			panic(fmt.Sprintf("a buffer that cannot be written: %v", err))
		}
		last[s.Pod] = pod
	}
	for _, e := range r.Events {
		fmt.Fprintf(&b, "%8.3fs  %-8s  %s  %s, by %s: %s\n", e.Seconds, e.Type, e.About, e.Reason, e.From, strings.Join(strings.Fields(e.Message), " "))
	}
	return b.String()
}
