package main

import (
	"bytes"
	"context"
	"errors"
	"slices"

	"github.com/podling/podling/explain"
	"github.com/podling/podling/explain/gather"
	"github.com/podling/podling/trace"
)

// explainTimeline explains how it stands with the pod of these events after the last of them. Events of
// other pods must not be among them.
func explainTimeline(events []trace.Event) (*explain.Explanation, error) {
	if len(events) == 0 {
		return nil, errors.New("there is nothing to explain")
	}
	var lines bytes.Buffer
	recorder := trace.NewRecorder(&lines)
	said := slices.ContainsFunc(events, func(e trace.Event) bool { return e.Said != nil })
	if err := recorder.Header(events[0].Time, "", said); err != nil {
		return nil, err
	}
	for _, e := range events {
		if err := recorder.Print(e); err != nil {
			return nil, err
		}
	}
	worlds, err := gather.Recording(&lines)
	if err != nil {
		return nil, err
	}
	e := explain.Pod(worlds[0])
	return &e, nil
}

// explainForPage is explainTimeline, as the page asks for it.
func explainForPage(_ context.Context, events []trace.Event) (any, error) {
	return explainTimeline(events)
}
