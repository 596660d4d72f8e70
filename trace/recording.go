package trace

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
)

// RecordingVersion is the version of the recordings that are written. Fields and kinds of lines may be
// added to it; it changes when what a reader goes by does.
const RecordingVersion = 1

const (
	head watch.EventType = "RECORDING"
	// Decision is a line of what a node of podling's decided (docs/replay.md). A trace passes it over.
	Decision watch.EventType = "DECISION"
)

// longestLine is more than any pod takes: the API server takes objects of 1.5 MB.
const longestLine = 16 << 20

// Header writes a recording's first line: by is the program that records, and events says that the
// Kubernetes Events about the pods are recorded too.
func (p *JSONPrinter) Header(now time.Time, by string, events bool) error {
	return p.out.Encode(line{Time: now.UTC(), Event: head, Version: RecordingVersion, By: by, Events: events})
}

// Recording is what was recorded.
type Recording struct {
	By     string // the program; "" in a recording without a first line of that kind
	Events []Event
	// Problems are the lines that could not be used. All others were.
	Problems []Problem
}

// Last is when the recording's last event arrived.
func (r *Recording) Last() time.Time {
	if len(r.Events) == 0 {
		return time.Time{}
	}
	return r.Events[len(r.Events)-1].Time
}

// Problem is what is wrong with a line of a recording.
type Problem struct {
	Line int // from 1
	Err  error
}

func (p Problem) Error() string { return fmt.Sprintf("line %d: %v", p.Line, p.Err) }

// ErrNoRecording says that no line of a file is one of a recording.
var ErrNoRecording = errors.New("not a recording of podling's: no line of it is an event (docs/recording.md); make one with `podling trace --record FILE`")

// ReadRecording reads what a recorder or a JSONPrinter wrote. Lines that cannot be used are left out
// and named; that no line can be used, or that the recording is of a version that is not known, is an
// error.
func ReadRecording(from io.Reader) (*Recording, error) {
	r := &Recording{}
	reading := reader{rec: r, known: map[types.NamespacedName]*v1.Pod{}}
	lines := bufio.NewReaderSize(from, 1<<16)
	for n := 1; ; n++ {
		text, err := readLine(lines)
		if err != nil && err != io.EOF && !errors.Is(err, errTooLong) {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		if len(text) > 0 || errors.Is(err, errTooLong) {
			if errors.Is(err, errTooLong) {
				r.Problems = append(r.Problems, Problem{n, err})
			} else if problem := reading.take(text, err == io.EOF); problem != nil {
				if wrong, ok := errors.AsType[versionError](problem); ok {
					return nil, Problem{n, wrong}
				}
				r.Problems = append(r.Problems, Problem{n, problem})
			}
		}
		if err == io.EOF {
			break
		}
	}
	if len(r.Events) == 0 && !reading.headed {
		return nil, ErrNoRecording
	}
	return r, nil
}

var errTooLong = fmt.Errorf("longer than %d MiB", longestLine>>20)

// readLine is the next line without its end. With io.EOF it may be one that was cut.
func readLine(from *bufio.Reader) ([]byte, error) {
	var text []byte
	long := false
	for {
		part, err := from.ReadSlice('\n')
		if long = long || len(text)+len(part) > longestLine; !long {
			text = append(text, part...)
		}
		switch {
		case err == bufio.ErrBufferFull:
			continue
		case long && err == nil:
			return nil, errTooLong
		case err == nil:
			return text[:len(text)-1], nil
		}
		return text, err
	}
}

// versionError is a recording that a later podling has to read.
type versionError int

func (v versionError) Error() string {
	return fmt.Sprintf("a recording of version %d, and this podling reads version %d: use the podling that wrote it, or a later one", int(v), RecordingVersion)
}

type reader struct {
	rec    *Recording
	known  map[types.NamespacedName]*v1.Pod
	start  time.Time
	headed bool
}

// take makes an event of a line and says what is wrong with it otherwise.
func (r *reader) take(text []byte, last bool) error {
	var l line
	if err := json.Unmarshal(text, &l); err != nil {
		if last {
			return fmt.Errorf("the line is cut off: %w", err)
		}
		return fmt.Errorf("no line of a recording: %w", err)
	}
	if l.Event == head {
		if l.Version < 1 || l.Version > RecordingVersion {
			return versionError(l.Version)
		}
		r.rec.By, r.headed = l.By, true
		if r.start.IsZero() {
			r.start = l.Time
		}
		return nil
	}
	if l.Time.IsZero() {
		return errors.New("no time")
	}
	e := Event{Time: l.Time, Type: l.Event, Existing: l.Existing, Writers: l.Writers}
	switch l.Event {
	case watch.Added, watch.Modified, watch.Deleted:
		if l.Status == nil || l.Name == "" {
			return fmt.Errorf("an event %s without the pod's name or status", l.Event)
		}
		e.Pod = l.pod()
		k := key(e.Pod)
		e.Changes = Compare(r.known[k], e.Pod)
		r.known[k] = e.Pod
		if l.Event == watch.Deleted {
			delete(r.known, k)
		}
	case watch.Error:
		e.Err = errors.New(l.Error)
	case Said:
		if l.Said == nil {
			return errors.New("an event EVENT without what was said")
		}
		e.Said = l.Said
	case Past, Decision:
		return nil // no event of the timeline
	default:
		return fmt.Errorf("event %q is not known", l.Event)
	}
	if r.start.IsZero() {
		r.start = l.Time
	}
	e.Since = l.Time.Sub(r.start)
	r.rec.Events = append(r.rec.Events, e)
	return nil
}

// pod is the pod that the line is about, as much of it as the line has.
func (l *line) pod() *v1.Pod {
	pod := &v1.Pod{Status: *l.Status}
	if l.Metadata != nil {
		pod.ObjectMeta = *l.Metadata
	}
	pod.Namespace, pod.Name = l.Namespace, l.Name
	if l.Spec != nil {
		pod.Spec = *l.Spec
	}
	return pod
}
