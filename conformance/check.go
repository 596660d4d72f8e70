package conformance

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
)

// A Verdict is what [Check] found. A scenario holds when nothing is in Differences,
// and holds to the last detail when nothing is in Details either.
type Verdict struct {
	Differences []string // each names the pod, the view, the item and the fields
	Details     []string // resources, users, images and volume mounts that differ
}

// Holds says whether the recording shows what upstream shows.
func (v Verdict) Holds() bool { return len(v.Differences) == 0 }

// Exact says whether it holds to the last detail.
func (v Verdict) Exact() bool { return v.Holds() && len(v.Details) == 0 }

// Check holds a recording against the golden file of its scenario.
func Check(s Scenario, r *Recording) (Verdict, error) {
	g, err := loadGolden(s.Dir)
	if err != nil {
		return Verdict{}, err
	}
	return g.check(r), nil
}

func (g *golden) check(r *Recording) Verdict {
	var v Verdict
	if r.Steps != done {
		v.Differences = append(v.Differences, "steps "+r.Steps)
	}
	for _, pod := range slices.Sorted(maps.Keys(g.Pods)) {
		shown := r.views(pod)
		for _, view := range []string{viewStates, viewColumns, viewEvents} {
			w, got, place := g.Pods[pod][view], shown[view], pod+": "+view
			if view == viewEvents { // Events have no order: they are counted, merged and rate-limited on their way
				v.Differences = append(v.Differences, neverShown(place, w.Must, got)...)
			} else {
				v.Differences = append(v.Differences, outOfOrder(place, w.Must, got)...)
			}
			v.Differences = append(v.Differences, unknown(place, w.May, got)...)
		}
		v.Details = append(v.Details, unknown(pod+": "+viewExtras, g.Pods[pod][viewExtras].May, shown[viewExtras])...)
	}
	for _, pod := range slices.Sorted(maps.Keys(r.Pods)) {
		if _, ok := g.Pods[pod]; !ok {
			v.Differences = append(v.Differences, pod+": a pod that the reference does not have")
		}
	}
	return v
}

// views is what a recording shows of one pod, repetitions taken out.
func (r *Recording) views(pod string) map[string][]any {
	v := map[string][]any{}
	for _, step := range r.Pods[pod] {
		state := map[string]any{"event": step.Event}
		maps.Copy(state, step.State)
		v[viewStates] = appendNew(v[viewStates], state)
		if len(step.Extras) > 0 {
			extras := map[string]any{}
			for name, line := range step.Extras {
				extras[name] = line
			}
			v[viewExtras] = appendNew(v[viewExtras], extras)
		}
	}
	for _, row := range r.Columns[pod] {
		v[viewColumns] = append(v[viewColumns], anys(row[:]))
	}
	for _, e := range r.Events[pod] {
		v[viewEvents] = append(v[viewEvents], anys(e[:]))
	}
	return v
}

// appendNew appends an item unless it repeats the last one.
func appendNew(list []any, item any) []any {
	if n := len(list); n > 0 && reflect.DeepEqual(list[n-1], item) {
		return list
	}
	return append(list, item)
}

// outOfOrder looks for must in got, in order, and names the first item that is not
// found where it should be.
func outOfOrder(place string, must, got []any) []string {
	from := 0
	for i, m := range must {
		at := index(got[from:], m)
		if at < 0 {
			text := fmt.Sprintf("%s: never shown in order: %s", stamp(place, i, m), show(m))
			if near := nearest(m, got[from:]); near != nil {
				text += "; the nearest shown after: " + list(compare(near, m))
			}
			return []string{text}
		}
		from += at + 1
	}
	return nil
}

// neverShown names every item of must that got does not have.
func neverShown(place string, must, got []any) []string {
	var lost []string
	for _, m := range must {
		if index(got, m) < 0 {
			lost = append(lost, fmt.Sprintf("%s: never shown: %s", place, show(m)))
		}
	}
	return lost
}

// unknown names every item of got that the reference never shows, and the fields in
// which it differs from the nearest that it does show.
func unknown(place string, may, got []any) []string {
	var strange []string
	for i, x := range got {
		if index(may, x) >= 0 {
			continue
		}
		text := fmt.Sprintf("%s: not the reference's: ", stamp(place, i, x))
		if near := nearest(x, may); near != nil {
			text += list(compare(x, near))
		} else {
			text += show(x)
		}
		strange = append(strange, text)
	}
	return strange
}

func index(list []any, item any) int {
	return slices.IndexFunc(list, func(x any) bool { return reflect.DeepEqual(x, item) })
}

// stamp is a place with an item's number, from 1, and a state's event and phase.
func stamp(place string, i int, item any) string {
	if state, ok := item.(map[string]any); ok && state["event"] != nil {
		return fmt.Sprintf("%s: %d (%v %v)", place, i+1, state["event"], state["phase"])
	}
	return fmt.Sprintf("%s: %d", place, i+1)
}
