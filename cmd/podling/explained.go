package main

import (
	"context"
	"errors"

	"github.com/podling/podling/explain"
	"github.com/podling/podling/explain/gather"
	"github.com/podling/podling/trace"
)

// explainTimeline explains how it stands with the pod of these events after the last of them. Events of
// other pods must not be among them.
func explainTimeline(events []trace.Event) (*explain.Explanation, error) {
	worlds := gather.Worlds(events, false)
	if len(worlds) == 0 {
		return nil, errors.New("there is nothing to explain")
	}
	e := explain.Pod(worlds[0])
	return &e, nil
}

// explainForPage is explainTimeline, as the page asks for it.
func explainForPage(_ context.Context, events []trace.Event) (any, error) {
	return explainTimeline(events)
}
