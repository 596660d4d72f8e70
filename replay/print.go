package replay

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	v1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/yaml"

	"github.com/podling/podling/trace"
)

// Print writes a frame for people: the event with what it changed and who changed it, what the node did
// for that, and where all pods stood.
func (f Frame) Print(out io.Writer) error { return f.PrintTo(out, out) }

// PrintTo is Print to a writer whose text goes to a screen in the end: it has the screen's colours.
func (f Frame) PrintTo(out, screen io.Writer) error {
	if _, err := fmt.Fprintf(out, "%d of %d  %s\n\n", f.At, f.Of, f.Event.Time.UTC().Format("2006-01-02 15:04:05.000Z")); err != nil {
		return err
	}
	printer := trace.NewPrinterTo(out, screen)
	printer.Writers = true
	if err := printer.Print(f.Event); err != nil {
		return err
	}
	for _, a := range f.Acts {
		if _, err := fmt.Fprintf(out, "%21s%s: %s\n", "", trace.Printable(a.Change.Path()), trace.Printable(trace.SaidText(a.Said))); err != nil {
			return err
		}
	}
	return f.table(out)
}

func (f Frame) table(out io.Writer) error {
	if len(f.Pods) == 0 {
		return nil
	}
	table := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	fmt.Fprint(table, "\nPOD\tPHASE\tREADY\tRESTARTS\tCONTAINERS\n")
	for _, p := range f.Pods {
		ready, all, restarts := counts(p.Pod)
		phase := string(p.Pod.Status.Phase)
		switch {
		case p.Gone:
			phase = "deleted"
		case p.Pod.DeletionTimestamp != nil:
			phase += ", ending"
		}
		fmt.Fprintf(table, "%s\t%s\t%d/%d\t%d\t%s\n", trace.Printable(p.Pod.Namespace+"/"+p.Pod.Name), phase, ready, all, restarts, trace.Printable(containers(p.Pod)))
	}
	return table.Flush()
}

// PrintStatus writes the whole status that the event carried.
func (f Frame) PrintStatus(out io.Writer) error {
	if f.Event.Pod == nil {
		return nil
	}
	text, err := yaml.Marshal(f.Event.Pod.Status)
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(text)) {
		if _, err := fmt.Fprintln(out, "  "+trace.Printable(strings.TrimSuffix(line, "\n"))); err != nil {
			return err
		}
	}
	return nil
}

func counts(pod *v1.Pod) (ready, all int, restarts int32) {
	for _, s := range pod.Status.ContainerStatuses {
		all++
		if s.Ready {
			ready++
		}
		restarts += s.RestartCount
	}
	for _, s := range pod.Status.InitContainerStatuses {
		restarts += s.RestartCount
	}
	return ready, max(all, len(pod.Spec.Containers)), restarts
}

// containers says of each container what it does.
func containers(pod *v1.Pod) string {
	var out []string
	for _, list := range [][]v1.ContainerStatus{pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses, pod.Status.EphemeralContainerStatuses} {
		for _, s := range list {
			text := s.Name + " "
			switch {
			case s.State.Running != nil:
				text += "running"
			case s.State.Terminated != nil:
				text += fmt.Sprintf("%s %d", s.State.Terminated.Reason, s.State.Terminated.ExitCode)
			default:
				text += strings.TrimSpace("waiting " + ptr.Deref(s.State.Waiting, v1.ContainerStateWaiting{}).Reason)
			}
			out = append(out, text)
		}
	}
	return strings.Join(out, ", ")
}

// frameJSON is a frame for programs.
type frameJSON struct {
	At    int             `json:"at"`
	Of    int             `json:"of"`
	Event json.RawMessage `json:"event"` // as it is in a recording
	Acts  []actJSON       `json:"acts"`
	Pods  []podJSON       `json:"pods"`
}

type actJSON struct {
	Change string `json:"change"`
	Reason string `json:"reason"`
	Said   string `json:"said"`
}

type podJSON struct {
	Namespace string       `json:"namespace"`
	Name      string       `json:"name"`
	Gone      bool         `json:"gone,omitempty"`
	Status    v1.PodStatus `json:"status"`
}

// JSON writes a frame for programs: a line of JSON.
func (f Frame) JSON(out io.Writer) error {
	var event strings.Builder
	if err := trace.NewRecorder(&event).Print(f.Event); err != nil {
		return err
	}
	j := frameJSON{At: f.At, Of: f.Of, Event: json.RawMessage(event.String()), Acts: []actJSON{}, Pods: []podJSON{}}
	for _, a := range f.Acts {
		j.Acts = append(j.Acts, actJSON{a.Change.Path(), a.Said.Reason, a.Said.Message})
	}
	for _, p := range f.Pods {
		j.Pods = append(j.Pods, podJSON{p.Pod.Namespace, p.Pod.Name, p.Gone, p.Pod.Status})
	}
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false)
	return e.Encode(j)
}
