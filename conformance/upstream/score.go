package upstream

// A Score is what results add up to, beside what was known of them.
type Score struct {
	Specs  []Result `json:"specs"`
	Holds  int      `json:"holds"`
	Fails  int      `json:"fails"`
	NotRun int      `json:"notRun"`
	// Lost do not hold, and nothing says why.
	Lost []string `json:"lost,omitempty"`
	// Won hold, and are listed as known not to.
	Won []string `json:"won,omitempty"`
}

// AsExpected says that every spec holds that is not known not to.
func (s Score) AsExpected() bool { return len(s.Lost) == 0 }

// Judge puts results beside the list of specs that are known not to hold, by name
// with the reason.
func Judge(results []Result, known map[string]string) Score {
	s := Score{Specs: results}
	for i := range s.Specs {
		r := &s.Specs[i]
		reason, listed := known[r.Name]
		switch r.Outcome {
		case Holds:
			s.Holds++
			if listed {
				s.Won = append(s.Won, r.Name)
			}
			continue
		case Fails:
			s.Fails++
		case NotRun:
			s.NotRun++
		}
		r.Known = reason
		if !listed {
			s.Lost = append(s.Lost, r.Name)
		}
	}
	return s
}
