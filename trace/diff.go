package trace

import (
	"regexp"
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/watch"
)

// Step is one state on a pod's way, in the words by which two ways are compared: no times, no
// addresses, no names that a cluster makes up.
type Step struct {
	Event Event
	Facts []string // what changed: "phase=Running", "container web: terminated Error exitCode=1"
}

// Steps is the way of one pod. A pod that was seen from the beginning is its events, each of which
// that changes nothing in those words left out. Of one that was there already only what its last
// known state tells is compared, as History has it: past is true then.
func Steps(events []Event) (steps []Step, past bool) {
	var first, last *Event
	for i := range events {
		if e := &events[i]; e.Pod != nil {
			if first == nil {
				first = e
			}
			last = e
		}
	}
	if first == nil {
		return nil, false
	}
	if first.Existing || first.Type != watch.Added || first.Pod.Status.StartTime != nil {
		return Told(last.Pod), true
	}
	for _, e := range events {
		if e.Pod == nil {
			continue
		}
		if f := facts(e); len(f) > 0 {
			steps = append(steps, Step{Event: e, Facts: f})
		}
	}
	return steps, false
}

// Told is the way of a pod as its state tells it.
func Told(pod *v1.Pod) []Step {
	var steps []Step
	for _, e := range History(pod, pod.CreationTimestamp.Time) {
		if f := facts(e); len(f) > 0 {
			steps = append(steps, Step{Event: e, Facts: f})
		}
	}
	return append(steps, Step{Event: Event{Type: Past, Pod: pod, Time: pod.CreationTimestamp.Time}, Facts: standing(pod)})
}

// standing is where a pod stands: its phase, and what its containers do.
func standing(pod *v1.Pod) []string {
	e := Event{Type: watch.Modified, Pod: pod}
	for _, c := range Compare(nil, pod) {
		if c.Field == "phase" || c.Field == "reason" || c.Part != Whole && c.Part != Condition && (c.Field == "state" || c.Field == "restartCount") {
			e.Changes = append(e.Changes, c)
		}
	}
	return facts(e)
}

// own are the fields that say nothing of the way: each cluster and each run has others.
var own = []string{"nodeName", "hostIP", "podIP", "startTime", "generation", "observedGeneration", "created",
	"imageID", "containerID", "image", "user", "volumeMounts", "lastTransitionTime", "lastProbeTime", "deletionTimestamp", "resources", "allocatedResources"}

var (
	stamps = regexp.MustCompile(`\s*\b(?:startedAt|finishedAt|containerID)=\S+`)
	delays = regexp.MustCompile(`\b(?:\d+h)?(?:\d+m)?\d+(?:\.\d+)?(?:ms|µs|s)\b`)
	hashes = regexp.MustCompile(`\b[0-9a-f]{12,64}\b|\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b`)
	hosts  = regexp.MustCompile(`\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b`)
)

// facts are an event's changes in the words that are compared.
func facts(e Event) []string {
	full := e.Pod.Name + "_" + e.Pod.Namespace + "("
	var out []string
	if e.Type == watch.Deleted {
		out = append(out, "deleted")
	}
	for _, c := range e.Changes {
		if c.Part == Whole && strings.HasPrefix(c.Field, "metadata") || slices.Contains(own, c.Field) && !(c.Field == "deletionTimestamp" && c.Was == "") {
			continue
		}
		value := c.Is
		if c.Field == "deletionTimestamp" {
			value = "set"
		}
		text := c.Field + "=" + orNone(value)
		switch {
		case c.Part == Condition:
			text = c.Name + "=" + orNone(value)
		case c.Part != Whole && c.Field == "state":
			text = string(c.Part) + " " + c.Name + ": " + value
		case c.Part != Whole:
			text = string(c.Part) + " " + c.Name + ": " + text
		}
		detail := stamps.ReplaceAllString(c.Detail, "")
		detail = delays.ReplaceAllString(hosts.ReplaceAllString(hashes.ReplaceAllString(detail, "ID"), "ADDRESS"), "TIME")
		detail = strings.ReplaceAll(detail, full, "POD(") // as the node names a pod in a message
		out = append(out, strings.TrimSpace(text+" "+strings.TrimSpace(detail)))
	}
	return out
}

// Difference is the first state where two ways part.
type Difference struct {
	Same int  // how many steps of the first way are in the second as well, before
	A, B Step // what comes then; a Step without Facts where a way has ended
}

// together is how many steps may have been written as one, for two ways to be the same still: a watch
// shows what was written, and who writes may have had more to say at one time than at another.
const together = 3

// Diff finds where two ways part; ok is false if they do not.
func Diff(a, b []Step) (d Difference, ok bool) {
	i, j := 0, 0
	for i < len(a) && j < len(b) {
		n, m := alike(a[i:], b[j:])
		if n == 0 {
			break
		}
		i, j = i+n, j+m
	}
	d.Same = i
	if i < len(a) {
		d.A = a[i]
	}
	if j < len(b) {
		d.B = b[j]
	}
	return d, i < len(a) || j < len(b)
}

// alike is how many steps of each way come to the same next; none if they part.
func alike(a, b []Step) (n, m int) {
	for most := 1; most <= together; most++ {
		for n := 1; n <= min(most, len(a)); n++ {
			for m := 1; m <= min(most, len(b)); m++ {
				if max(n, m) == most && slices.Equal(gathered(a[:n]), gathered(b[:m])) {
					return n, m
				}
			}
		}
	}
	return 0, 0
}

func gathered(steps []Step) []string {
	var all []string
	for _, s := range steps {
		all = append(all, s.Facts...)
	}
	slices.Sort(all)
	return all
}
