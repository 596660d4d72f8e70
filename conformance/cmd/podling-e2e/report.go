package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/podling/podling/conformance/upstream"
)

// report prints the results and says whether all hold that should.
func report(out io.Writer, format string, s upstream.Score) (bool, error) {
	if format == "json" {
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		return s.AsExpected(), e.Encode(s)
	}
	for _, r := range s.Specs {
		fmt.Fprintf(out, "%-7s %5.0f s  %s\n", r.Outcome, r.Seconds, r.Name)
		if r.Known != "" {
			fmt.Fprintln(out, "        known:", r.Known)
		}
		if r.Why != "" {
			fmt.Fprintf(out, "        %s (%s)\n", brief(r.Why), r.At)
		}
	}
	if len(s.Won) > 0 {
		fmt.Fprintf(out, "hold, and can come off the list of known ones:\n  %s\n", strings.Join(s.Won, "\n  "))
	}
	if len(s.Lost) > 0 {
		fmt.Fprintf(out, "DO NOT HOLD, and should:\n  %s\n", strings.Join(s.Lost, "\n  "))
	}
	_, err := fmt.Fprintf(out, "%d of %d specs hold, %d fail, %d were not run\n", s.Holds, len(s.Specs), s.Fails, s.NotRun)
	return s.AsExpected(), err
}

// brief is the first line of what a spec says, and the next few where it ends with a
// colon or is short.
func brief(why string) string {
	const enough, most = 60, 300
	said := ""
	for line := range strings.SplitSeq(why, "\n") {
		said = strings.TrimSpace(said + " " + strings.TrimSpace(line))
		if len(said) >= enough && !strings.HasSuffix(said, ":") {
			break
		}
	}
	if len(said) > most {
		said = said[:most] + " ..."
	}
	return said
}
