package conformance

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
)

// A golden is what upstream's recordings of one scenario showed.
type golden struct {
	Scenario   string                     `json:"scenario"`
	Recordings int                        `json:"recordings"` // how many it was made of
	Pods       map[string]map[string]want `json:"pods"`       // pod name, then view
}

// A want is one view of one pod: what all recordings share, in order, and what any
// of them showed. Its items are what encoding/json decodes to.
type want struct {
	Must []any `json:"must"`
	May  []any `json:"may"`
}

// The views of a pod that are compared.
const (
	viewStates  = "states"
	viewColumns = "columns"
	viewEvents  = "events"
	viewExtras  = "extras"
)

// loadGolden reads golden.json from a scenario's folder.
func loadGolden(folder string) (*golden, error) {
	path := filepath.Join(folder, "golden.json")
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var g golden
	if err := json.Unmarshal(text, &g); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(g.Pods) == 0 {
		return nil, fmt.Errorf("%s: no pods in it; is it a golden file?", path)
	}
	return &g, nil
}

// WriteGolden makes a scenario's golden file from recordings of the reference
// cluster, two or more: what all share in order must be shown, what any shows may be.
// Longer recordings, which went on watching, only add to what may be.
func WriteGolden(s Scenario, recordings, longer []*Recording) error {
	g, err := merge(s.Name, recordings, longer)
	if err != nil {
		return err
	}
	text, err := encode(g)
	if err != nil {
		return fmt.Errorf("golden file of %s: %w", s.Name, err)
	}
	return os.WriteFile(filepath.Join(s.Dir, "golden.json"), text, 0o644)
}

func merge(scenario string, recordings, longer []*Recording) (*golden, error) {
	if len(recordings) < 2 {
		return nil, fmt.Errorf("golden file of %s: %d recordings; two or more tell what is always shown from what happened once", scenario, len(recordings))
	}
	var errs []error
	for _, r := range recordings {
		if r.Steps != done {
			errs = append(errs, fmt.Errorf("golden file of %s: a recording's steps %s", scenario, r.Steps))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	g := &golden{Scenario: scenario, Recordings: len(recordings), Pods: map[string]map[string]want{}}
	for pod := range recordings[0].Pods {
		g.Pods[pod] = map[string]want{}
		for _, view := range []string{viewStates, viewColumns, viewEvents, viewExtras} {
			w := want{Must: recordings[0].views(pod)[view], May: []any{}}
			for _, r := range recordings {
				if view == viewEvents {
					w.Must = both(w.Must, r.views(pod)[view])
				} else {
					w.Must = common(w.Must, r.views(pod)[view])
				}
			}
			for _, r := range slices.Concat(recordings, longer) {
				for _, item := range r.views(pod)[view] {
					if index(w.May, item) < 0 {
						w.May = append(w.May, item)
					}
				}
			}
			g.Pods[pod][view] = w
		}
	}
	return g, nil
}

// both is what is in a and in b, in a's order.
func both(a, b []any) []any {
	shared := []any{}
	for _, item := range a {
		if index(b, item) >= 0 {
			shared = append(shared, item)
		}
	}
	return shared
}

// common is the longest list whose items are found in a and in b in its order.
func common(a, b []any) []any {
	length := make([][]int, len(a)+1) // of what a[i:] and b[j:] have in common
	for i := range length {
		length[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if reflect.DeepEqual(a[i], b[j]) {
				length[i][j] = 1 + length[i+1][j+1]
			} else {
				length[i][j] = max(length[i+1][j], length[i][j+1])
			}
		}
	}
	shared := []any{}
	for i, j := 0, 0; i < len(a) && j < len(b); {
		switch {
		case reflect.DeepEqual(a[i], b[j]):
			shared = append(shared, a[i])
			i, j = i+1, j+1
		case length[i+1][j] >= length[i][j+1]:
			i++
		default:
			j++
		}
	}
	return shared
}
