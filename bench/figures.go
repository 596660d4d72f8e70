package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"text/tabwriter"
)

// The systems that figures are of.
const (
	podling    = "podling"
	reference  = "reference"           // the cluster that PODLING_BENCH_REFERENCE names
	bare       = "bare CRI"            // no cluster: calls of the container runtime
	kwok       = "KWOK"                // the cluster that PODLING_BENCH_KWOK names
	onUpstream = "podling on upstream" // the one that PODLING_BENCH_UPSTREAM names
)

var systems = []string{podling, reference, bare}

// A pair is two systems of which one is to be told as a part of the other.
type pair struct{ of, to string }

// A figure is one thing measured, several times, on one or more systems.
type figure struct {
	Name   string               `json:"name"`
	Unit   string               `json:"unit"`
	Values map[string][]float64 `json:"values"` // by system, in the order measured
}

// figures are in the order in which they were first measured.
type figures []*figure

// add adds a value to a figure.
func (f *figures) add(name, unit, system string, value float64) {
	i := slices.IndexFunc(*f, func(g *figure) bool { return g.Name == name })
	if i < 0 {
		i = len(*f)
		*f = append(*f, &figure{Name: name, Unit: unit, Values: map[string][]float64{}})
	}
	(*f)[i].Values[system] = append((*f)[i].Values[system], value)
}

// write keeps every value in a file.
func (f figures) write(path string) error {
	if len(f) == 0 {
		return nil
	}
	text, err := json.MarshalIndent(f, "", " ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("folder for the figures: %w", err)
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}

// print prints medians with the lowest and highest value beside them, and what one
// system's median is of another's.
func (f figures) print(to io.Writer, systems []string, pairs []pair) error {
	table := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	var errs []error
	line := func(cells ...any) {
		for _, c := range cells {
			_, err := fmt.Fprintf(table, "%v\t", c)
			errs = append(errs, err)
		}
		_, err := fmt.Fprintln(table)
		errs = append(errs, err)
	}
	head := []any{"median (lowest to highest)", ""}
	for _, s := range systems {
		head = append(head, s)
	}
	for _, p := range pairs {
		head = append(head, p.of+"/"+p.to)
	}
	line(head...)
	for _, g := range f {
		cells := []any{g.Name, g.Unit}
		for _, s := range systems {
			cells = append(cells, span(g.Values[s]))
		}
		for _, p := range pairs {
			cells = append(cells, ratio(g.Values[p.of], g.Values[p.to]))
		}
		line(cells...)
	}
	return errors.Join(append(errs, table.Flush())...)
}

// span is "median (lowest to highest)", or a dash for what was not measured.
func span(values []float64) string {
	switch len(values) {
	case 0:
		return "-"
	case 1:
		return short(values[0])
	}
	return fmt.Sprintf("%s (%s to %s)", short(median(values)), short(slices.Min(values)), short(slices.Max(values)))
}

func ratio(ours, theirs []float64) string {
	if len(ours) == 0 || len(theirs) == 0 {
		return "-"
	}
	return strconv.FormatFloat(median(ours)/median(theirs), 'f', 2, 64)
}

// median is the middle value, or the mean of the two in the middle.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	if n%2 == 1 {
		return sorted[n/2]
	}
	return (sorted[n/2-1] + sorted[n/2]) / 2
}

// short is a value with three digits that matter.
func short(v float64) string {
	switch {
	case v >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}
