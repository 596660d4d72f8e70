package upstream

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// An Outcome is how a spec ended.
type Outcome string

const (
	Holds  Outcome = "holds"
	Fails  Outcome = "fails"
	NotRun Outcome = "not run"
)

// A Result is a spec and how it ended.
type Result struct {
	Name    string  `json:"name"`
	Outcome Outcome `json:"outcome"`
	Serial  bool    `json:"serial,omitempty"`
	// Why it failed or was not run, in the suite's words.
	Why string `json:"why,omitempty"`
	// At is where in the suite that was said, FILE:LINE.
	At string `json:"at,omitempty"`
	// Known is the reason that the list of known ones gives for it to fail.
	Known string `json:"known,omitempty"`
	// Seconds that it took.
	Seconds float64 `json:"seconds"`
}

// A spec is what ginkgo's report says of one.
type spec struct {
	ContainerHierarchyTexts []string
	LeafNodeType            string
	LeafNodeText            string
	IsSerial                bool
	State                   string
	RunTime                 time.Duration
	Failure                 struct {
		Message  string
		Location struct {
			FileName   string
			LineNumber int
		}
	}
}

// read makes the results of ginkgo's report: the specs that were asked for, in
// the order of their names.
func read(file string, asked func(name string) bool) ([]Result, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var suites []struct {
		SpecReports []spec
	}
	if err := json.Unmarshal(text, &suites); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	var results []Result
	for _, suite := range suites {
		for _, s := range suite.SpecReports {
			r := s.result()
			switch {
			case s.LeafNodeType != "It":
				if r.Outcome == Fails { // what is done before or after all specs
					return nil, fmt.Errorf("%s of the suite: %s", s.LeafNodeType, r.Why)
				}
			case asked(r.Name):
				results = append(results, r)
			}
		}
	}
	if len(results) == 0 {
		return nil, fmt.Errorf("%s: no spec has such a name", file)
	}
	slices.SortFunc(results, func(a, b Result) int { return strings.Compare(a.Name, b.Name) })
	return results, nil
}

func (s spec) result() Result {
	r := Result{
		Name:    strings.TrimSpace(strings.Join(append(slices.Clone(s.ContainerHierarchyTexts), s.LeafNodeText), " ")),
		Serial:  s.IsSerial,
		Why:     strings.TrimSpace(s.Failure.Message),
		Seconds: s.RunTime.Seconds(),
	}
	if r.Why != "" {
		name := s.Failure.Location.FileName
		if _, below, found := strings.Cut(name, "/test/e2e/"); found {
			name = "test/e2e/" + below
		}
		r.At = fmt.Sprintf("%s:%d", name, s.Failure.Location.LineNumber)
	}
	switch s.State {
	case "passed":
		r.Outcome = Holds
	case "skipped", "pending":
		r.Outcome = NotRun
	default: // failed, panicked, timed out, aborted, interrupted
		r.Outcome = Fails
		if r.Why == "" {
			r.Why = s.State
		}
	}
	return r
}

// Known reads the list of specs that are known not to hold: a spec's name on a line
// of its own, and indented below it why. A line that begins with # is a remark.
func Known(file string) (map[string]string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	known, name := map[string]string{}, ""
	for i, line := range strings.Split(string(text), "\n") {
		reason := strings.TrimSpace(line)
		switch {
		case reason == "" || strings.HasPrefix(line, "#"):
		case reason == line:
			if name != "" && known[name] == "" {
				return nil, fmt.Errorf("%s:%d: nothing says why %q does not hold: indent the reason below its name", file, i+1, name)
			}
			name = line
			known[name] = ""
		case name == "":
			return nil, fmt.Errorf("%s:%d: the reason %q has no spec above it", file, i+1, reason)
		default:
			known[name] = strings.TrimSpace(known[name] + " " + reason)
		}
	}
	if name != "" && known[name] == "" {
		return nil, fmt.Errorf("%s: nothing says why %q does not hold: indent the reason below its name", file, name)
	}
	return known, nil
}
