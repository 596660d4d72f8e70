package trace

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/watch"
)

// Span is a stretch of a pod's way that has a name.
type Span struct {
	Name      string // scheduling, sandbox, pull, start, running, back-off, pull back-off, readiness, termination
	Container string // "" if it is of the pod as a whole
	Start     Moment
	End       Moment // of a span that is Open, the moment until which the pod was looked at
	Open      bool   // it has not ended
	Outcome   string // how it ended, if there is something to say: "Error exitCode=1"
}

// Duration is the span's length, and how much longer or shorter it may have been.
func (s Span) Duration() (length, within time.Duration) {
	return max(0, s.End.Time.Sub(s.Start.Time)), max(s.Start.Within, s.End.Within)
}

// Label is what the span is of: pull web.
func (s Span) Label() string { return joined(" ", s.Name, s.Container) }

// PodSpans are a pod's spans, in the order in which they began.
type PodSpans struct {
	Namespace, Name, UID, Node string
	Spans                      []Span
}

// Spans finds the spans of each pod, in the order in which the pods were seen. Arrival times of the
// watch are used where a change was seen as it happened, and the API's times, cut to whole seconds,
// where it was not. Pulls need the Events about the pods: without them, a container's start reaches
// back to when the pod's sandbox was ready. What has not ended is Open until the moment given.
func Spans(events []Event, until time.Time) []PodSpans {
	var order []*life
	lives := map[string]*life{}
	heard := map[string][]*Event{}
	for i := range events {
		e := &events[i]
		switch {
		case e.Said != nil:
			uid := string(e.Said.InvolvedObject.UID)
			heard[uid] = append(heard[uid], e)
		case e.Pod != nil && e.Type != Past:
			k := cmp.Or(string(e.Pod.UID), e.Pod.Namespace+"/"+e.Pod.Name)
			l := lives[k]
			if l == nil {
				l = &life{pod: PodSpans{Namespace: e.Pod.Namespace, Name: e.Pod.Name, UID: string(e.Pod.UID)}, containers: map[string]*stay{}}
				lives[k], order = l, append(order, l)
			}
			l.see(e)
		}
	}
	var out []PodSpans
	for _, l := range order {
		if !l.gone && until.After(l.last.Time) {
			l.last.Time = until
		}
		out = append(out, l.finish(heard[l.pod.UID]))
	}
	return out
}

// life is a pod while its spans are being found.
type life struct {
	pod  PodSpans
	last Moment // that was seen of it
	gone bool
	// bound: it has a node, whether it was seen to get one or not.
	bound bool

	created, scheduled, sandbox, running, ready, deleting Moment
	containers                                            map[string]*stay
	order                                                 []*stay
}

// stay is a container while its spans are being found.
type stay struct {
	name     string
	known    bool // it is known when it first ran
	restarts int32
	state    string // as it was last: waiting, running, terminated, or waiting with a reason that is a span
	since    Moment
	first    Moment // when it first ran
	spans    []Span
}

// see takes an event in.
func (l *life) see(e *Event) {
	pod := e.Pod
	l.last = arrival(e)
	l.pod.Node = cmp.Or(pod.Spec.NodeName, l.pod.Node)
	if e.Type == watch.Deleted {
		l.gone = true
		return
	}
	l.bound = l.bound || pod.Spec.NodeName != "" || pod.Status.Phase != v1.PodPending
	if l.created.Time.IsZero() {
		l.created = l.at(e, written(pod.CreationTimestamp, FromStatus))
		if pod.CreationTimestamp.IsZero() { // a recording without metadata
			l.created = arrival(e)
		}
	}
	for _, c := range pod.Status.Conditions {
		at := l.at(e, written(c.LastTransitionTime, FromStatus))
		switch {
		case c.Status != v1.ConditionTrue:
		case c.Type == v1.PodScheduled && l.scheduled.Time.IsZero():
			l.scheduled = at
		case c.Type == v1.PodReadyToStartContainers && l.sandbox.Time.IsZero():
			l.sandbox = at
		case c.Type == v1.PodReady && l.ready.Time.IsZero():
			l.ready = at
		}
	}
	if pod.Status.Phase == v1.PodRunning && l.running.Time.IsZero() {
		l.running = l.at(e, Moment{})
	}
	if at := deletion(pod); at != nil && l.deleting.Time.IsZero() {
		l.deleting = l.at(e, written(*at, FromStatus))
	}
	for _, statuses := range [][]v1.ContainerStatus{pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses, pod.Status.EphemeralContainerStatuses} {
		for i := range statuses {
			l.container(e, &statuses[i])
		}
	}
}

// at is the better of two times for what an event shows: its arrival, if it was seen as it happened.
func (l *life) at(e *Event, api Moment) Moment {
	if e.Existing {
		return api
	}
	return arrival(e)
}

// container takes one container's status in.
func (l *life) container(e *Event, s *v1.ContainerStatus) {
	c := l.containers[s.Name]
	if c == nil {
		c = &stay{name: s.Name}
		l.containers[s.Name] = c
		l.order = append(l.order, c)
		if t := s.LastTerminationState.Terminated; t != nil { // it ran before anybody looked
			c.enter(spanRunning, written(t.StartedAt, FromStatus), "")
			c.enter("terminated", written(t.FinishedAt, FromStatus), ended(t))
			c.known = false // when it began the first time is not
		}
	}
	switch {
	case s.State.Running != nil:
		started := l.at(e, written(s.State.Running.StartedAt, FromStatus))
		if c.state == spanRunning && s.RestartCount > c.restarts && s.LastTerminationState.Terminated != nil {
			t := s.LastTerminationState.Terminated // it ended and was started again between two events
			c.end(written(t.FinishedAt, FromStatus), ended(t))
			c.state = ""
		}
		c.enter(spanRunning, started, "")
	case s.State.Terminated != nil:
		t := s.State.Terminated
		if c.state != spanRunning && c.state != "terminated" && !t.StartedAt.IsZero() {
			c.enter(spanRunning, written(t.StartedAt, FromStatus), "") // it ran between two events
		}
		c.enter("terminated", l.at(e, written(t.FinishedAt, FromStatus)), ended(t))
	case s.State.Waiting != nil:
		began := Moment{}
		if t := s.LastTerminationState.Terminated; t != nil {
			began = written(t.FinishedAt, FromStatus)
		}
		c.enter(waits[s.State.Waiting.Reason], l.at(e, began), s.State.Waiting.Reason)
	}
	c.restarts = s.RestartCount
}

// The names of spans.
const (
	spanScheduling  = "scheduling"
	spanSandbox     = "sandbox"
	spanPull        = "pull"
	spanStart       = "start"
	spanRunning     = "running"
	spanBackoff     = "back-off"
	spanPullBackoff = "pull back-off"
	spanReadiness   = "readiness"
	spanTermination = "termination"
)

// waits are the reasons to wait that are spans of their own. The others are part of what follows.
var waits = map[string]string{
	"CrashLoopBackOff": spanBackoff, "ImagePullBackOff": spanPullBackoff, "ErrImagePull": spanPullBackoff, "RegistryUnavailable": spanPullBackoff,
}

// enter ends what the container did and begins what it does now.
func (c *stay) enter(state string, at Moment, detail string) {
	if c.state == state {
		return
	}
	c.end(at, detail)
	c.state, c.since = state, at
	if state == spanRunning && c.first.Time.IsZero() {
		c.known, c.first = true, at
	}
}

// end ends what the container did, if that is a span. One of which it is not known when it began is none.
func (c *stay) end(at Moment, detail string) {
	if c.state == "" || c.state == "terminated" || c.since.Time.IsZero() || at.Time.IsZero() {
		return
	}
	s := Span{Name: c.state, Container: c.name, Start: c.since, End: at}
	if c.state == spanRunning {
		s.Outcome = detail
	}
	c.spans = append(c.spans, s)
}

// finish makes the spans of what was seen, and of what was said about the pod.
func (l *life) finish(said []*Event) PodSpans {
	out := l.pod
	add := func(name, container string, from, to Moment) {
		if !from.Time.IsZero() && !to.Time.IsZero() {
			out.Spans = append(out.Spans, Span{Name: name, Container: container, Start: from, End: to})
		}
	}
	open := func(name string, from Moment) {
		out.Spans = append(out.Spans, Span{Name: name, Start: from, End: l.last, Open: !l.gone})
	}
	add(spanScheduling, "", l.created, l.scheduled)
	if l.scheduled.Time.IsZero() && !l.created.Time.IsZero() && !l.bound {
		open(spanScheduling, l.created)
	}
	add(spanSandbox, "", l.scheduled, l.sandbox)
	for _, c := range l.order {
		before := l.sandbox
		for _, pull := range pulls(c.name, said) {
			out.Spans = append(out.Spans, pull)
			if before = pull.End; !c.known || pull.End.Time.After(c.first.Time) {
				before = l.sandbox
			}
		}
		for _, e := range said {
			if e.Said.Reason == "Pulled" && ContainerOf(e.Said) == c.name && c.known && !e.When().Time.After(c.first.Time) && before == l.sandbox {
				before = e.When() // the image was there
			}
		}
		if c.known && !c.first.Time.Before(before.Time) {
			add(spanStart, c.name, before, c.first)
		}
		out.Spans = append(out.Spans, c.spans...)
		if c.state != "" && c.state != "terminated" && !c.since.Time.IsZero() {
			out.Spans = append(out.Spans, Span{Name: c.state, Container: c.name, Start: c.since, End: l.last, Open: !l.gone})
		}
	}
	if l.ready.Time.After(l.running.Time) {
		add(spanReadiness, "", l.running, l.ready)
	}
	if !l.deleting.Time.IsZero() {
		open(spanTermination, l.deleting)
	}
	slices.SortStableFunc(out.Spans, func(a, b Span) int { return a.Start.Time.Compare(b.Start.Time) })
	return out
}

// pulls are the pulls of a container's image, as far as Events tell of them. How long one took is in
// the Event's message, to the millisecond; only when that was is known less well.
func pulls(container string, said []*Event) []Span {
	var out []Span
	var began Moment
	for _, e := range said {
		if ContainerOf(e.Said) != container {
			continue
		}
		at := e.When()
		switch {
		case e.Said.Reason == "Pulling":
			began = at
		case e.Said.Reason == "Pulled":
			if took, ok := pullTime(e.Said); ok {
				exact := at
				exact.Within = 0
				start := Moment{Time: at.Time.Add(-took), Source: FromEvent}
				out = append(out, Span{Name: spanPull, Container: container, Start: start, End: exact})
			}
			began = Moment{}
		case e.Said.Reason == "Failed" && !began.Time.IsZero() && strings.HasPrefix(e.Said.Message, "Failed to pull image"):
			out = append(out, Span{Name: spanPull, Container: container, Start: began, End: at, Outcome: "failed"})
			began = Moment{}
		}
	}
	if !began.Time.IsZero() {
		out = append(out, Span{Name: spanPull, Container: container, Start: began, End: began, Open: true})
	}
	return out
}

// Length is a span's length for people: 80 ms, 2.10 s, and ~2 s where it is known to the second only.
func (s Span) Length() string {
	d, within := s.Duration()
	text := ""
	switch {
	case within >= time.Second && d < time.Minute:
		text = fmt.Sprintf("~%.0f s", d.Seconds())
		if d < time.Second {
			text = "<1 s"
		}
	case d < time.Second:
		text = fmt.Sprintf("%d ms", d.Round(time.Millisecond).Milliseconds())
	case d < 10*time.Second:
		text = fmt.Sprintf("%.2f s", d.Seconds())
	case d < time.Minute:
		text = fmt.Sprintf("%.1f s", d.Seconds())
	case d < time.Hour:
		text = fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
	default:
		text = fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	}
	if s.Open {
		text += " …"
	}
	return text
}
