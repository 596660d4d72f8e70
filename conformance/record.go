package conformance

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/watch"
)

// A recorder makes a Recording of what two watches show, and keeps the board that
// the steps wait on.
type recorder struct {
	board board

	mu        sync.Mutex
	start     time.Time
	recording Recording
	events    map[string]map[Event]bool // by pod
	aliases   map[string]string         // a pod's name to its name in the recording
}

func newRecorder(scenario string, b board) *recorder {
	return &recorder{
		board:     b,
		start:     time.Now(),
		recording: Recording{Scenario: scenario, Pods: map[string][]Step{}, Columns: map[string][]Row{}, Events: map[string][]Event{}},
		events:    map[string]map[Event]bool{},
		aliases:   map[string]string{},
	}
}

// begin says that the steps begin now: times count from here.
func (r *recorder) begin() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.start = time.Now()
}

// end is the finished recording. Nothing may be watching any more.
func (r *recorder) end(steps string) *Recording {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.recording.Steps = steps
	for pod, set := range r.events {
		r.recording.Events[r.alias(pod)] = ordered(set)
	}
	return &r.recording
}

// made matches a name that the server completed with five letters of its own.
var made = regexp.MustCompile(`^(.*)-[a-z0-9]{5}$`)

// alias is a pod's name in the recording: names that the server made up become the
// order in which they appeared.
func (r *recorder) alias(name string) string {
	if a, ok := r.aliases[name]; ok {
		return a
	}
	a := name
	if m := made.FindStringSubmatch(name); m != nil {
		n := 1
		for other := range maps.Values(r.aliases) {
			if strings.HasPrefix(other, m[1]+"-") {
				n++
			}
		}
		a = fmt.Sprintf("%s-%d", m[1], n)
	}
	r.aliases[name] = a
	return a
}

// onPods takes one event of the watch of pods, a Table.
func (r *recorder) onPods(event string, table []byte) error {
	rows, err := podRows(table)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, row := range rows {
		if err := r.state(event, row); err != nil {
			return err
		}
		if err := r.columns(event, row); err != nil {
			return err
		}
		if event == string(watch.Deleted) {
			err = r.board.forget(row.pod.Name)
		} else {
			err = r.facts(&row.pod)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// state records the pod if it shows something new.
func (r *recorder) state(event string, row podRow) error {
	extras, err := extrasOf(row.status)
	if err != nil {
		return err
	}
	step := Step{Event: event, State: stateOf(&row.pod), Extras: extras, Raw: row.status}
	name := r.alias(row.pod.Name)
	steps := r.recording.Pods[name]
	if n := len(steps); n > 0 {
		last := steps[n-1]
		if last.Event == event && reflect.DeepEqual(last.State, step.State) && maps.Equal(last.Extras, extras) {
			return nil
		}
	}
	step.T = math.Round(time.Since(r.start).Seconds()*100) / 100
	r.recording.Pods[name] = append(steps, step)
	return nil
}

// ago is what kubectl adds to RESTARTS.
var ago = regexp.MustCompile(` \([^)]*ago\)`)

// columns records READY, STATUS and RESTARTS if they show something new.
func (r *recorder) columns(event string, row podRow) error {
	var line []string
	for _, cell := range row.cells {
		line = append(line, fmt.Sprint(cell))
	}
	f := strings.Fields(ago.ReplaceAllString(strings.Join(line, " "), "")) // NAME READY STATUS RESTARTS AGE ...
	if len(f) < 4 {
		return fmt.Errorf("row of pod %s has only %q", row.pod.Name, f)
	}
	columns := Row(f[1:4])
	name := r.alias(row.pod.Name)
	if rows := r.recording.Columns[name]; len(rows) == 0 || rows[len(rows)-1] != columns {
		r.recording.Columns[name] = append(rows, columns)
		if err := r.board.add(row.pod.Name, "seen", columns[1]); err != nil {
			return err
		}
	}
	if event == string(watch.Deleted) {
		return nil
	}
	return r.board.put(row.pod.Name, "status", columns[1])
}

// facts puts what steps wait for on the board.
func (r *recorder) facts(pod *v1.Pod) error {
	if err := r.board.put(pod.Name, "phase", pod.Status.Phase); err != nil {
		return err
	}
	restarts := int32(0)
	for _, c := range slices.Concat(pod.Status.ContainerStatuses, pod.Status.InitContainerStatuses) {
		restarts += c.RestartCount
	}
	if err := r.board.put(pod.Name, "restarts", restarts); err != nil {
		return err
	}
	ready := v1.ConditionStatus("")
	if i := slices.IndexFunc(pod.Status.Conditions, func(c v1.PodCondition) bool { return c.Type == v1.PodReady }); i >= 0 {
		ready = pod.Status.Conditions[i].Status
	}
	return r.board.put(pod.Name, "ready", ready)
}

// onEvents takes one event of the watch of Events.
func (r *recorder) onEvents(_ string, object []byte) error {
	var e v1.Event
	if err := json.Unmarshal(object, &e); err != nil {
		return fmt.Errorf("an Event: %w", err)
	}
	if e.InvolvedObject.Kind != "Pod" {
		return nil
	}
	source := e.ReportingController
	if source == "" {
		source = e.Source.Component
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	pod := e.InvolvedObject.Name
	if r.events[pod] == nil {
		r.events[pod] = map[Event]bool{}
	}
	r.events[pod][Event{e.Type, e.Reason, source}] = true
	reasons := map[string]bool{}
	for seen := range r.events[pod] {
		reasons[seen[1]] = true
	}
	return r.board.put(pod, "events", strings.Join(slices.Sorted(maps.Keys(reasons)), "\n"))
}
