package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/podling/podling/conformance"
)

// A score prints results as they come, and what they add up to.
type score struct {
	expected           []string // held before
	total, held, exact int
	verbose            bool
	lost, won          []string // held before and does not now, and the other way round
}

func (s *score) add(r conformance.Result) {
	name, took := r.Scenario.Name, ""
	if r.Took > 0 {
		took = fmt.Sprintf(" (%.0f s)", r.Took.Seconds())
	}
	before := slices.Contains(s.expected, name)
	if r.Err == nil && r.Verdict.Holds() {
		s.held++
		if !before {
			s.won = append(s.won, name)
		}
		if r.Verdict.Exact() {
			s.exact++
			fmt.Printf("pass %s%s\n", name, took)
			return
		}
		fmt.Printf("pass %s%s, but not to the last detail\n", name, took)
		if s.verbose {
			s.lines(r.Verdict.Details)
		}
		return
	}
	if before {
		s.lost = append(s.lost, name)
	}
	fmt.Printf("FAIL %s%s\n", name, took)
	if r.Err != nil {
		s.lines([]string{r.Err.Error()})
	}
	s.lines(r.Verdict.Differences)
}

// brief is how many differences of a scenario are printed unless all are asked for:
// the first tells most, the rest often follows from it.
const brief = 3

func (s *score) lines(differences []string) {
	for i, d := range differences {
		if i == brief && !s.verbose {
			fmt.Printf("     and %d more (-v)\n", len(differences)-i)
			return
		}
		fmt.Println("     " + d)
	}
}

func (s *score) summary() {
	if len(s.won) > 0 {
		fmt.Println("hold, and can go on the list:", strings.Join(slices.Sorted(slices.Values(s.won)), " "))
	}
	if len(s.lost) > 0 {
		fmt.Println("LOST, held before:", strings.Join(slices.Sorted(slices.Values(s.lost)), " "))
	}
	fmt.Printf("%d of %d scenarios hold, %d to the last detail\n", s.held, s.total, s.exact)
}
