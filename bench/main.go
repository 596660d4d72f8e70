// Command bench measures podling: how soon it is ready, how much memory it holds at
// rest, and how fast it starts and ends pods, beside bare calls of the same container
// runtime and, if PODLING_BENCH_REFERENCE names a kubeconfig, beside another cluster
// on the same machine in the same run.
//
//	bench [-starts 5] [-idle 60s] [-crash 5] [-rounds 3] [-serial 20] [-pods 100] [-json bench/out/bench.json]
//
// PODLING_BIN is the podling to measure (default bin/podling).
// PODLING_BENCH_REFERENCE_PIDS are the other cluster's processes, for their memory.
//
// Or it measures simulated pods, many of them: how many a second come to run, and
// what processor time and memory they take; and, with the last of them, what a
// cluster uses, and writes to etcd, to which nothing happens.
//
//	bench -scale [-nodes 10] [-pods 1000,5000] [-rounds 3] [-idle 60s] [-json bench/out/scale.json]
//
// Or it keeps a node full of pods, some of them probed each second, and measures whether what podling
// takes stays the same:
//
//	bench -soak 30m [-json bench/out/soak.json]
//
// PODLING_BENCH_KWOK names the kubeconfig of a cluster to do the same on whose nodes
// KWOK simulates, PODLING_BENCH_UPSTREAM that of one whose nodes are podling's and
// whose control plane is upstream's; PODLING_BENCH_KWOK_PIDS and
// PODLING_BENCH_UPSTREAM_PIDS are their processes.
//
// It prints a table of medians and the spread around them, and keeps every value as
// JSON. The program is measured as its users start it, from outside.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/podling/podling/conformance/images"
	"github.com/podling/podling/conformance/launch"
)

// image is what the measured pods run.
const image = "busybox:1.36"

type options struct {
	starts   int           // how often podling is started to be timed
	idle     time.Duration // how long it rests before its memory is read
	crash    int           // containers that end again and again
	rounds   int           // how often each load is put on each cluster
	serial   int           // pods one at a time
	pods     []int         // pods at once, of each load
	parallel int           // create calls at once for the latter
	scale    bool          // simulated pods instead of all else
	nodes    int           // nodes for them
	soak     time.Duration // how long a full node is watched instead of all else
	json     string        // file for every value
}

func main() {
	var o options
	flag.IntVar(&o.starts, "starts", 5, "how often podling is started and timed; 0: not at all")
	flag.DurationVar(&o.idle, "idle", time.Minute, "how long it rests before its memory is read; 0: it is not")
	flag.IntVar(&o.crash, "crash", 5, "how many containers end again and again to be timed; 0: none")
	flag.IntVar(&o.rounds, "rounds", 3, "how often each load is put on each cluster; 0: not at all")
	flag.IntVar(&o.serial, "serial", 20, "pods of a load that starts them one at a time")
	flag.Func("pods", "pods of a load that starts them at once; `several` between commas are one load after the other (default 100; with -scale 1000,5000)", func(text string) (err error) {
		o.pods, err = sizes(text)
		return err
	})
	flag.IntVar(&o.parallel, "parallel", 16, "create calls at once for those")
	flag.BoolVar(&o.scale, "scale", false, "measure simulated pods instead of all else")
	flag.IntVar(&o.nodes, "nodes", 10, "nodes for them")
	flag.DurationVar(&o.soak, "soak", 0, "keep a node full of pods for so long instead of all else, and measure whether what podling takes stays the same")
	flag.StringVar(&o.json, "json", "", "`file` for every value (default bench/out/bench.json, scale.json or soak.json)")
	flag.Parse()
	o.complete()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// complete fills in what was not said.
func (o *options) complete() {
	usual, file := []int{100}, "bench.json"
	if o.scale {
		usual, file = []int{1000, 5000}, "scale.json"
	} else if o.soak > 0 {
		file = "soak.json"
	}
	if o.pods == nil {
		o.pods = usual
	}
	if o.json == "" {
		o.json = filepath.Join("bench", "out", file)
	}
}

// sizes reads "1000,5000".
func sizes(text string) ([]int, error) {
	var all []int
	for word := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(word)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("%q is no number of pods", word)
		}
		all = append(all, n)
	}
	return all, nil
}

// run measures what is asked for, and prints what was measured before an error too.
func run(ctx context.Context, o options) (err error) {
	binary, err := launch.Binary(".")
	if err != nil {
		return err
	}
	if o.scale {
		return runScale(ctx, o, binary)
	}
	// The bare runtime is started with the programs that podling has beside it.
	if err := os.Setenv("PATH", filepath.Dir(binary)+string(os.PathListSeparator)+os.Getenv("PATH")); err != nil {
		return err
	}
	pids, err := pidsIn("PODLING_BENCH_REFERENCE_PIDS")
	if err != nil {
		return err
	}
	registry, stop, err := images.Serve(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	b := &bench{options: o, binary: binary, mirror: registry.Mirror(), reference: os.Getenv("PODLING_BENCH_REFERENCE"), referencePids: pids}
	measure := b.measure
	if o.soak > 0 {
		measure = b.runSoak
	}
	err = measure(ctx)
	return errors.Join(err, b.figures.write(o.json), b.figures.print(os.Stdout, systems, []pair{{podling, reference}, {podling, bare}}))
}

// runScale measures simulated pods.
func runScale(ctx context.Context, o options, binary string) error {
	others, err := simulations()
	if err != nil {
		return err
	}
	s := &scale{options: o, binary: binary, others: others}
	err = s.measure(ctx)
	return errors.Join(err, s.figures.write(o.json),
		s.figures.print(os.Stdout, []string{podling, kwok, onUpstream}, []pair{{podling, kwok}, {onUpstream, kwok}}))
}

// pidsIn are the process ids in a variable, between blanks or commas.
func pidsIn(variable string) ([]int, error) {
	var pids []int
	for word := range strings.FieldsFuncSeq(os.Getenv(variable), func(r rune) bool { return r == ',' || r == ' ' || r == '\n' }) {
		pid, err := strconv.Atoi(word)
		if err != nil {
			return nil, fmt.Errorf("%s: %q is no process id", variable, word)
		}
		pids = append(pids, pid)
	}
	return pids, nil
}

// say tells how far it has come, apart from the figures.
func (options) say(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
