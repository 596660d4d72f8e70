package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/podling/podling/trace"
	"github.com/podling/podling/trace/otlp"
)

// history holds back what was there when the trace began, until all of it is known, and then shows
// what is known of the time before, as far as --since reaches, in order. Events from before are part of
// that, and are not shown otherwise.
type history struct {
	since    time.Duration
	show     func(trace.Event) error
	existing []trace.Event
}

func (h *history) take(e trace.Event) error {
	switch {
	case !e.Existing:
		return h.show(e)
	case h.since > 0:
		h.existing = append(h.existing, e)
		return nil
	case e.Said != nil:
		return nil
	}
	return h.show(e)
}

// listed is called when all that was there has been taken.
func (h *history) listed() error {
	var past []trace.Event
	var errs []error
	for _, e := range h.existing {
		start := e.Time.Add(-e.Since)
		if e.Said != nil {
			e.Since = e.When().Time.Sub(start)
			past = append(past, e)
		} else {
			past = append(past, trace.History(e.Pod, start)...)
		}
	}
	slices.SortStableFunc(past, func(a, b trace.Event) int { return cmp.Compare(a.Since, b.Since) })
	for _, e := range past {
		if -e.Since <= h.since {
			errs = append(errs, h.show(e))
		}
	}
	for _, e := range h.existing {
		if e.Said == nil {
			errs = append(errs, h.show(e))
		}
	}
	h.existing = nil
	return errors.Join(errs...)
}

// finish shows what the events were in all: the spans.
func (o *traceOptions) finish(ctx context.Context, cmd *cobra.Command, events []trace.Event, until time.Time) error {
	if !o.spans && o.otlp == "" {
		return nil
	}
	pods := trace.Spans(events, until)
	var errs []error
	if o.spans {
		errs = append(errs, printSpans(cmd.OutOrStdout(), o.output, pods))
	}
	if o.otlp != "" {
		if err := otlp.Export(ctx, o.otlp, pods); err != nil {
			errs = append(errs, fmt.Errorf("--otlp: %w", err))
		}
	}
	return errors.Join(errs...)
}

// span is a span as JSON.
type span struct {
	Event     string    `json:"event"` // SPAN
	Namespace string    `json:"namespace"`
	Name      string    `json:"name"`
	Span      string    `json:"span"`
	Container string    `json:"container,omitempty"`
	Start     time.Time `json:"start"`
	End       time.Time `json:"end"`
	Seconds   float64   `json:"seconds"`
	Within    float64   `json:"within"` // seconds that it may have been longer or shorter
	Open      bool      `json:"open,omitempty"`
	Outcome   string    `json:"outcome,omitempty"`
}

func printSpans(out io.Writer, output string, pods []trace.PodSpans) error {
	if output == outputText {
		return trace.Waterfall(out, pods, columns(out))
	}
	lines := json.NewEncoder(out)
	for _, p := range pods {
		for _, s := range p.Spans {
			length, within := s.Duration()
			err := lines.Encode(span{"SPAN", p.Namespace, p.Name, s.Name, s.Container, s.Start.Time.UTC(), s.End.Time.UTC(), length.Seconds(), within.Seconds(), s.Open, s.Outcome})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// columns is how wide a terminal is; what is no terminal is taken to be as wide as most.
func columns(out io.Writer) int {
	if file, ok := out.(*os.File); ok {
		if width, _, err := term.GetSize(int(file.Fd())); err == nil && width > 0 {
			return width
		}
	}
	return 100
}

// light is an event without what spans do not ask for: a trace may go on for long.
func light(e trace.Event) trace.Event {
	if e.Pod != nil {
		pod := *e.Pod
		pod.ManagedFields = nil
		e.Pod = &pod
	}
	e.Changes, e.Writers = nil, nil
	return e
}

// readRecording reads a recording and says which of its lines could not be used.
func readRecording(cmd *cobra.Command, path string) (*trace.Recording, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	rec, err := trace.ReadRecording(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	nameProblems(cmd, path, rec.Problems)
	return rec, nil
}

// nameProblems says which lines of a file are left out.
func nameProblems(cmd *cobra.Command, path string, problems []trace.Problem) {
	for i, p := range problems {
		if i == mostProblems {
			fmt.Fprintf(cmd.ErrOrStderr(), "%s: and %d more lines that are left out\n", path, len(problems)-i)
			return
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "%s: %s; the line is left out\n", path, trace.Printable(p.Error()))
	}
}

// mostProblems is how many lines that could not be used are named.
const mostProblems = 10

// selected are the events about the pods that the command line names.
func (o *traceOptions) selected(events []trace.Event, pods []string) []trace.Event {
	names := podNames(pods)
	selector, err := labels.Parse(o.selector)
	if err != nil {
		selector = labels.Nothing() // check has refused it
	}
	chosen := map[string]bool{}
	return slices.DeleteFunc(slices.Clone(events), func(e trace.Event) bool {
		if e.Type == watch.Error {
			return false
		}
		namespace, name := e.About()
		k := namespace + "/" + name
		if e.Pod != nil {
			chosen[k] = chosen[k] || selector.Matches(labels.Set(e.Pod.Labels))
		}
		return len(names) > 0 && !slices.Contains(names, name) || o.access.namespace != "" && o.access.namespace != namespace || !selector.Empty() && !chosen[k]
	})
}

// podNames are pods' names, which may be written as kubectl does: pod/NAME.
func podNames(args []string) []string {
	var names []string
	for _, a := range args {
		for _, kind := range []string{"pods/", "pod/", "po/"} {
			a = strings.TrimPrefix(a, kind)
		}
		names = append(names, a)
	}
	return names
}
