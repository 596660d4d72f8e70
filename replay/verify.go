package replay

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/podling/podling/lifecycle"
	"github.com/podling/podling/trace"
)

// Report is what came of deciding once more.
type Report struct {
	Decisions int             `json:"decisions"`
	Pods      int             `json:"pods"`
	Different []Different     `json:"different"`
	Problems  []trace.Problem `json:"-"` // lines that could not be used
}

// Different is a decision that is another now.
type Different struct {
	Line      int       `json:"line"`
	Time      time.Time `json:"time"`
	Namespace string    `json:"namespace"`
	Name      string    `json:"name"`
	Fields    []Field   `json:"fields"`
}

// Field is a part of the plan that is another: "status.phase", "actions[0].verb".
type Field struct {
	Path string `json:"path"`
	Was  string `json:"was"`
	Is   string `json:"is"`
}

// ErrNoDecisions says that nothing was decided in a recording.
var ErrNoDecisions = errors.New("there is no decision in it: `podling up --record-decisions FILE` records them, on podling's own nodes")

// Verify gives the core once more what it was given when the decisions were recorded, and compares the
// answers. Lines that cannot be used are left out and named.
func Verify(from io.Reader) (*Report, error) {
	r := &Report{Different: []Different{}}
	pods := map[string]bool{}
	lines := bufio.NewReaderSize(from, 1<<16)
	for n := 1; ; n++ {
		text, err := lines.ReadBytes('\n')
		if err != nil && err != io.EOF {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		if len(bytes.TrimSpace(text)) > 0 {
			d, problem := again(text)
			switch {
			case problem != nil && err == io.EOF:
				r.Problems = append(r.Problems, trace.Problem{Line: n, Err: fmt.Errorf("the line is cut off: %w", problem)})
			case problem != nil:
				r.Problems = append(r.Problems, trace.Problem{Line: n, Err: problem})
			case d != nil:
				r.Decisions++
				pods[d.Namespace+"/"+d.Name] = true
				if len(d.Fields) > 0 {
					d.Line = n
					r.Different = append(r.Different, *d)
				}
			}
		}
		if err == io.EOF {
			break
		}
	}
	if r.Decisions == 0 {
		return nil, ErrNoDecisions
	}
	r.Pods = len(pods)
	return r, nil
}

// again decides once more on a line; it gives nil for lines of other kinds.
func again(text []byte) (*Different, error) {
	var d decision
	if err := json.Unmarshal(text, &d); err != nil {
		return nil, err
	}
	if d.Event != trace.Decision {
		return nil, nil
	}
	if d.Pod == nil || d.Observed == nil || len(d.Plan) == 0 {
		return nil, errors.New("a decision without pod, observed or plan")
	}
	was, err := plain(d.Plan)
	if err != nil {
		return nil, fmt.Errorf("plan: %w", err)
	}
	answer, err := json.Marshal(lifecycle.Decide(d.Pod, *d.Observed, d.Time))
	if err != nil {
		return nil, err
	}
	is, err := plain(answer)
	if err != nil {
		return nil, err
	}
	return &Different{Time: d.Time, Namespace: d.Namespace, Name: d.Name, Fields: fields("", was, is)}, nil
}

// plain is a plan as maps and lists, after the way through JSON that a recorded one has gone as well:
// what is empty and what is not there are the same then.
func plain(text []byte) (any, error) {
	var plan lifecycle.Plan
	if err := json.Unmarshal(text, &plan); err != nil {
		return nil, err
	}
	text, err := json.Marshal(plan)
	if err != nil {
		return nil, err
	}
	var v any
	err = json.Unmarshal(text, &v)
	return v, err
}

func fields(path string, was, is any) []Field {
	a, mapA := was.(map[string]any)
	b, mapB := is.(map[string]any)
	if mapA && mapB {
		all := maps.Clone(a)
		maps.Copy(all, b)
		var out []Field
		for _, k := range slices.Sorted(maps.Keys(all)) {
			below := k
			if path != "" {
				below = path + "." + k
			}
			out = append(out, fields(below, a[k], b[k])...)
		}
		return out
	}
	la, listA := was.([]any)
	lb, listB := is.([]any)
	if listA && listB && len(la) == len(lb) {
		var out []Field
		for i := range la {
			out = append(out, fields(fmt.Sprintf("%s[%d]", path, i), la[i], lb[i])...)
		}
		return out
	}
	x, errX := json.Marshal(was)
	y, errY := json.Marshal(is)
	if errX != nil || errY != nil || !bytes.Equal(x, y) {
		return []Field{{path, string(x), string(y)}}
	}
	return nil
}
