// Command podling-faults does to podling what machines and people do to it, at each step of a
// pod's start and end, and prints a table of what was done, how often, and what was lost.
//
//	podling-faults [flags]
//
// It starts podling itself (PODLING_BIN, or bin/podling) with a containerd of its own, as root. Exit
// code 0 says that nothing was lost, 1 that something was, 2 that the flags are wrong.
//
//	podling-faults -times 10
//	podling-faults -faults podling,shim -steps 'container created,ready' -v
//	podling-faults -faults away -away 10m
//	podling-faults -o json >faults.json
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/podling/podling/conformance/launch"
	"github.com/podling/podling/conformance/survive"
)

func main() {
	c := survive.Campaign{}
	var faults, steps, output string
	var list, verbose bool
	flag.IntVar(&c.Times, "times", 3, "how often each fault is done at each step")
	flag.DurationVar(&c.Late, "late", 100*time.Millisecond, "all but the first of these strike up to so long after the step")
	flag.Uint64Var(&c.Seed, "seed", 1, "of how long after")
	flag.DurationVar(&c.Away, "away", 20*time.Second, "how long the API server is away in the fault of that name")
	flag.StringVar(&c.Folder, "folder", "", "`folder` for the clusters' data (default the system's for temporary files)")
	flag.StringVar(&faults, "faults", "", "`names` of the faults, with commas between (default all)")
	flag.StringVar(&steps, "steps", "", "`names` of the steps, with commas between (default all)")
	flag.StringVar(&output, "o", "table", "how results are printed: table (Markdown) or json")
	flag.BoolVar(&list, "list", false, "print the names of the faults and the steps, and do nothing")
	flag.BoolVar(&verbose, "v", false, "print each trial to standard error, not only those after which something was wrong")
	flag.Parse()
	if flag.NArg() > 0 || output != "table" && output != "json" {
		fmt.Fprintf(os.Stderr, "podling-faults: want no arguments, and -o table or json, not %q %v\n", output, flag.Args())
		os.Exit(2)
	}
	if list {
		printNames(os.Stdout)
		return
	}
	c.Faults, c.Steps = words(faults), words(steps)
	c.Report = func(r survive.Result) { tell(os.Stderr, r, verbose) }
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	well, err := run(ctx, c, output)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "podling-faults:", err)
	}
	if err != nil || !well {
		os.Exit(1)
	}
}

func words(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' })
}

func printNames(w io.Writer) {
	fmt.Fprintln(w, "faults:")
	for _, f := range survive.Faults {
		fmt.Fprintf(w, "  %-12s %s\n", f.Name, f.Did)
	}
	for _, s := range survive.Stories {
		fmt.Fprintf(w, "  %-12s %s\n", s.Name, s.Did)
	}
	fmt.Fprintln(w, "steps:")
	for _, s := range survive.Steps {
		fmt.Fprintf(w, "  %s\n", s.Name)
	}
}

// tell prints one trial.
func tell(w io.Writer, r survive.Result, always bool) {
	if len(r.Problems) == 0 && !always {
		return
	}
	fmt.Fprintf(w, "%s at %q, of %s, %.1fs: ", r.Fault, r.Step, r.Subject, r.Took.Seconds())
	if len(r.Problems) == 0 {
		fmt.Fprintln(w, "nothing lost")
		return
	}
	fmt.Fprintln(w, "wrong\n  "+strings.Join(r.Problems, "\n  "))
}

// run makes the campaign, prints its table, and says whether nothing was lost.
func run(ctx context.Context, c survive.Campaign, output string) (bool, error) {
	var err error
	if c.Binary, err = launch.Binary("."); err != nil {
		return false, err
	}
	results, err := c.Run(ctx)
	rows := survive.Table(results)
	well := len(rows) > 0
	for _, row := range rows {
		well = well && row.Wrong == 0
	}
	if output == "json" {
		encoder := json.NewEncoder(os.Stdout)
		encoder.SetIndent("", "  ")
		if e := encoder.Encode(rows); e != nil {
			return false, e
		}
		return well, err
	}
	fmt.Println("| fault | at the step | times | something wrong after |")
	fmt.Println("|---|---|---|---|")
	for i, row := range rows {
		what := ""
		if i == 0 || rows[i-1].Fault != row.Fault {
			what = row.Did
		}
		fmt.Printf("| %s | %s | %d | %d |\n", what, row.Step, row.Times, row.Wrong)
	}
	return well, err
}
