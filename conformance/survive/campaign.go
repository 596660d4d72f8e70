package survive

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"time"
)

// A Campaign is trials of several faults, each at each of its steps a number of times.
type Campaign struct {
	Binary string        // podling's
	Folder string        // for the clusters' data; made, and removed if nothing went wrong
	Times  int           // each fault at each step
	Late   time.Duration // a trial strikes up to so long after its step
	Seed   uint64        // of how long after
	Faults []string      // names; none: all
	Steps  []string      // names; none: all
	Away   time.Duration // that the API server is away, where that is the fault

	Report func(Result) // is told of each trial, if it is set
}

// Result is what came of one trial.
type Result struct {
	Fault    string        `json:"fault"`
	Step     string        `json:"step"`
	Subject  string        `json:"subject,omitempty"` // the kind of pod whose step it was
	Took     time.Duration `json:"took"`
	Problems []string      `json:"problems,omitempty"` // what was not as it should be
}

// A Row sums a fault's trials up at one step.
type Row struct {
	Fault string `json:"fault"`
	Did   string `json:"did"`
	Step  string `json:"step"`
	Times int    `json:"times"`
	Wrong int    `json:"wrong"` // trials after which something was not as it should be
}

// Table sums results up, in the order in which they came.
func Table(results []Result) []Row {
	var rows []Row
	for _, r := range results {
		i := slices.IndexFunc(rows, func(row Row) bool { return row.Fault == r.Fault && row.Step == r.Step })
		if i < 0 {
			rows = append(rows, Row{Fault: r.Fault, Did: did(r.Fault), Step: r.Step})
			i = len(rows) - 1
		}
		rows[i].Times++
		if len(r.Problems) > 0 {
			rows[i].Wrong++
		}
	}
	return rows
}

// did is what a fault does, by its name.
func did(fault string) string {
	for _, f := range Faults {
		if f.Name == fault {
			return f.Did
		}
	}
	for _, s := range Stories {
		if s.Name == fault {
			return s.Did
		}
	}
	return ""
}

// Run makes the trials, one after the other. An error says that it could not go on.
func (c Campaign) Run(ctx context.Context) (results []Result, err error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	random := rand.New(rand.NewPCG(c.Seed, c.Seed))
	note := func(r Result) {
		results = append(results, r)
		if c.Report != nil {
			c.Report(r)
		}
	}
	for _, apart := range []bool{false, true} {
		if err := c.on(ctx, apart, random, note); err != nil {
			return results, err
		}
	}
	for _, s := range Stories {
		if !c.wants(c.Faults, s.Name) {
			continue
		}
		for range c.Times {
			began := time.Now()
			problems, err := c.tell(ctx, s)
			note(Result{Fault: s.Name, Step: s.Step, Took: time.Since(began), Problems: problems})
			if err != nil {
				return results, fmt.Errorf("%s: %w", s.Name, err)
			}
		}
	}
	return results, ctx.Err()
}

// on makes the trials of the faults that one kind of ground is for.
func (c Campaign) on(ctx context.Context, apart bool, random *rand.Rand, note func(Result)) (err error) {
	var g *Ground
	lost := false
	for _, fault := range Faults {
		if fault.Apart != apart || !c.wants(c.Faults, fault.Name) {
			continue
		}
		if g == nil {
			folder, remove, err := c.folder()
			if err != nil {
				return err
			}
			if g, err = Prepare(ctx, c.Binary, folder, apart); err != nil {
				return err
			}
			g.away = c.Away
			defer func() { err = errors.Join(err, g.Close(), remove(err == nil && !lost)) }()
		}
		for _, step := range Steps {
			if !fault.At(step) || !c.wants(c.Steps, step.Name) {
				continue
			}
			for turn := range c.Times {
				t := Trial{Fault: fault, Step: step, Turn: turn}
				if c.Late > 0 && turn > 0 { // the first at once
					t.Late = time.Duration(random.Int64N(int64(c.Late)))
				}
				began := time.Now()
				problems, err := g.Try(ctx, t)
				lost = lost || len(problems) > 0
				note(Result{Fault: fault.Name, Step: step.Name, Subject: t.Subject(), Took: time.Since(began), Problems: problems})
				if err != nil {
					return fmt.Errorf("%s at %q: %w", fault.Name, step.Name, err)
				}
			}
		}
	}
	return nil
}

// folder makes one for a cluster's data.
func (c Campaign) folder() (path string, remove func(bool) error, err error) {
	path, err = os.MkdirTemp(c.Folder, "survive-")
	if err != nil {
		return "", nil, err
	}
	return path, func(well bool) error {
		if !well {
			return nil // somebody may want to look
		}
		return os.RemoveAll(path)
	}, os.Chmod(path, 0o755) // #nosec G302 -- containers write into one of its folders
}

func (c Campaign) wants(names []string, name string) bool {
	return len(names) == 0 || slices.Contains(names, name)
}

// check says what is wrong with the names.
func (c Campaign) check() error {
	for _, name := range c.Steps {
		if _, err := StepNamed(name); err != nil {
			return err
		}
	}
	for _, name := range c.Faults {
		if did(name) == "" {
			return fmt.Errorf("there is no fault %q", name)
		}
	}
	return nil
}
