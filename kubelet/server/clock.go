package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/podling/podling/clock"
	"github.com/podling/podling/clock/remote"
)

// lastYear is the last that a time has which can be written as JSON.
const lastYear = 9999

// errMachines is said to those who want to move the machine's clock.
var errMachines = errors.New("this node goes by the machine's clock, which nobody moves: `podling up --runtime sim --clock virtual` has one that jumps by itself, `--clock manual` one that waits to be moved")

func (s *Server) showClock(w http.ResponseWriter, r *http.Request) {
	state := remote.State{State: clock.State{Now: time.Now()}}
	if s.cfg.Clock != nil {
		state = remote.State{State: s.cfg.Clock.State(), Virtual: true}
	}
	answer(w, r, http.StatusOK, state)
}

// virtual lets do move the node's clock and answers with where it stands then.
func (s *Server) virtual(do func(*clock.Virtual)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if s.cfg.Clock == nil {
			refuse(w, r, http.StatusConflict, errMachines)
			return
		}
		do(s.cfg.Clock)
		s.showClock(w, r)
	}
}

// advanceClock answers once what happens on the way is over.
func (s *Server) advanceClock(w http.ResponseWriter, r *http.Request) {
	if s.cfg.Clock == nil {
		refuse(w, r, http.StatusConflict, errMachines)
		return
	}
	by, err := step(http.MaxBytesReader(w, r.Body, maxRule), s.cfg.Clock.Now())
	if err != nil {
		refuse(w, r, unread(err), err)
		return
	}
	if err := s.cfg.Clock.Advance(r.Context(), by); err != nil {
		refuse(w, r, http.StatusServiceUnavailable, fmt.Errorf("something was under way still, and the clock has got no further than %s: %w",
			s.cfg.Clock.Now().UTC().Format(time.RFC3339), err))
		return
	}
	s.showClock(w, r)
}

// step reads how far a clock is to go on from now.
func step(body io.Reader, now time.Time) (time.Duration, error) {
	var in remote.Step
	d := json.NewDecoder(body)
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil {
		return 0, fmt.Errorf(`how far the clock is to go on, as in {"by": "10m"}: %w`, err)
	}
	if d.More() {
		return 0, errors.New(`how far the clock is to go on: there is more behind {"by": …}`)
	}
	by, err := time.ParseDuration(in.By)
	switch {
	case err != nil:
		return 0, fmt.Errorf("by %q is no duration, such as 90s or 10m", in.By)
	case by < 0:
		return 0, fmt.Errorf("by %s: a clock does not move backwards", in.By)
	case by == 0:
		return 0, fmt.Errorf("by %s: a clock does not move backwards, nor is it moved by nothing", in.By)
	case now.Add(by).Year() > lastYear:
		return 0, fmt.Errorf("by %s: a clock does not go beyond the year %d", in.By, lastYear)
	}
	return by, nil
}
