package explain

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podling/podling/lifecycle/reason"
)

// look is a world with what rules ask of it.
type look struct {
	World
	events []v1.Event // the latest first
}

func newLook(w World) *look {
	l := &look{World: w, events: slices.Clone(w.Events)}
	slices.SortStableFunc(l.events, func(a, b v1.Event) int { return eventTime(&b).Compare(eventTime(&a)) })
	return l
}

// sees says whether that part was looked at.
func (w *World) sees(p Part) bool {
	_, not := w.Unseen[p]
	return !not
}

// eventTime is when an Event was seen last.
func eventTime(e *v1.Event) time.Time {
	t := e.LastTimestamp.Time
	if e.Series != nil && e.Series.LastObservedTime.After(t) {
		t = e.Series.LastObservedTime.Time
	}
	if t.IsZero() {
		t = e.EventTime.Time
	}
	if t.IsZero() {
		t = e.FirstTimestamp.Time
	}
	if t.IsZero() {
		t = e.CreationTimestamp.Time
	}
	return t
}

// times is how often an Event was seen.
func times(e *v1.Event) int32 {
	n := max(e.Count, 1)
	if e.Series != nil {
		n = max(n, e.Series.Count)
	}
	return n
}

// event is the latest Event of that reason whose message has one of the texts; nil if there is none.
func (l *look) event(reason string, texts ...string) *v1.Event {
	for i := range l.events {
		if l.events[i].Reason == reason && (len(texts) == 0 || hasAny(l.events[i].Message, texts...)) {
			return &l.events[i]
		}
	}
	return nil
}

// eventOf is event for one container: one whose fieldPath names another does not count.
func (l *look) eventOf(container, reason string, texts ...string) *v1.Event {
	for i := range l.events {
		e := &l.events[i]
		_, path, named := strings.Cut(e.InvolvedObject.FieldPath, "{")
		if e.Reason == reason && (!named || strings.TrimSuffix(path, "}") == container) && (len(texts) == 0 || hasAny(e.Message, texts...)) {
			return e
		}
	}
	return nil
}

func hasAny(text string, of ...string) bool {
	text = strings.ToLower(text)
	return slices.ContainsFunc(of, func(one string) bool { return strings.Contains(text, strings.ToLower(one)) })
}

// showEvent adds an Event to the evidence, and its word to what is explained.
func (f *finding) showEvent(e *v1.Event) *finding {
	if e == nil {
		return f
	}
	text := e.Message
	if n := times(e); n > 1 {
		text += fmt.Sprintf(" (%d times)", n)
	}
	f.about(word{reason.Event, e.Reason})
	return f.show("event", e.Reason, text, eventTime(e))
}

// condition is the pod's of that type; the zero one if there is none.
func (l *look) condition(kind v1.PodConditionType) v1.PodCondition {
	return conditionOf(l.Pod, kind)
}

func conditionOf(pod *v1.Pod, kind v1.PodConditionType) v1.PodCondition {
	for _, c := range pod.Status.Conditions {
		if c.Type == kind {
			return c
		}
	}
	return v1.PodCondition{}
}

func inCondition(kind v1.PodConditionType) string {
	return fmt.Sprintf("status.conditions[?(@.type==%q)]", kind)
}

// showCondition adds a condition of the pod to the evidence.
func (f *finding) showCondition(c v1.PodCondition) *finding {
	text := fmt.Sprintf("%s=%s", c.Type, c.Status)
	if c.Reason != "" {
		text += " " + c.Reason
		f.about(word{reason.Condition, c.Reason})
	}
	if c.Message != "" {
		text += ": " + c.Message
	}
	return f.show("status", inCondition(c.Type), text, c.LastTransitionTime.Time)
}

// node is the node of that name; nil if it was not seen.
func (l *look) node(name string) *v1.Node {
	for i := range l.Nodes {
		if l.Nodes[i].Name == name {
			return &l.Nodes[i]
		}
	}
	return nil
}

func nodeCondition(n *v1.Node, kind v1.NodeConditionType) v1.NodeCondition {
	for _, c := range n.Status.Conditions {
		if c.Type == kind {
			return c
		}
	}
	return v1.NodeCondition{}
}

// named finds an object by its name.
func named(list []Named, name string) *Named {
	for i := range list {
		if list[i].Name == name {
			return &list[i]
		}
	}
	return nil
}

func names(list []Named) []string {
	var out []string
	for _, n := range list {
		out = append(out, n.Name)
	}
	return out
}

// kubectl is a command for the pod's namespace.
func (l *look) kubectl(format string, args ...any) string {
	return kubectl(l.Pod.Namespace, fmt.Sprintf(format, args...))
}

func kubectl(namespace, what string) string {
	verb, rest, _ := strings.Cut(what, " ")
	if namespace == "" || namespace == metav1.NamespaceDefault {
		return "kubectl " + what
	}
	return "kubectl " + verb + " -n " + namespace + " " + rest
}

// owner is what made the pod, as "Job/name"; "" if nobody did.
func (l *look) owner() string {
	if o := metav1.GetControllerOf(l.Pod); o != nil {
		return o.Kind + "/" + o.Name
	}
	return ""
}

// where is where a manifest's field is to be changed: in the pod, or in what makes such pods.
func (l *look) where() string {
	if o := l.owner(); o != "" {
		return "in the template of " + o + " (or of what made that)"
	}
	return "in the pod's manifest, and make the pod anew"
}

// for as long as a duration is shown to people.
func span(d time.Duration) string {
	d = d.Abs()
	switch {
	case d < 10*time.Second:
		return fmt.Sprintf("%g s", math.Round(d.Seconds()*10)/10)
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", int(math.Round(d.Seconds())))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", int(math.Round(d.Minutes())))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(math.Round(d.Hours())))
	}
	return fmt.Sprintf("%d days", int(math.Round(d.Hours()/24)))
}

// list writes words as people do: a, b and c.
func list(items []string) string {
	switch len(items) {
	case 0:
		return ""
	case 1:
		return items[0]
	}
	return strings.Join(items[:len(items)-1], ", ") + " and " + items[len(items)-1]
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// sortedUnseen is what could not be seen, in the order of its names.
func sortedUnseen(unseen map[Part]string) []Gap {
	gaps := []Gap{}
	for what, why := range unseen {
		if why != "" {
			gaps = append(gaps, Gap{what, harmless(why)})
		}
	}
	slices.SortFunc(gaps, func(a, b Gap) int { return cmp.Compare(a.What, b.What) })
	return gaps
}
