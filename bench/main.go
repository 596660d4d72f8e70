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
	starts       int           // how often podling is started to be timed
	idle         time.Duration // how long it rests before its memory is read
	crash        int           // containers that end again and again
	rounds       int           // how often each load is put on each cluster
	serial, pods int           // pods one at a time, and at once
	parallel     int           // create calls at once for the latter
	json         string        // file for every value
}

func main() {
	var o options
	flag.IntVar(&o.starts, "starts", 5, "how often podling is started and timed; 0: not at all")
	flag.DurationVar(&o.idle, "idle", time.Minute, "how long it rests before its memory is read; 0: it is not")
	flag.IntVar(&o.crash, "crash", 5, "how many containers end again and again to be timed; 0: none")
	flag.IntVar(&o.rounds, "rounds", 3, "how often each load is put on each cluster; 0: not at all")
	flag.IntVar(&o.serial, "serial", 20, "pods of a load that starts them one at a time")
	flag.IntVar(&o.pods, "pods", 100, "pods of a load that starts them at once")
	flag.IntVar(&o.parallel, "parallel", 16, "create calls at once for those")
	flag.StringVar(&o.json, "json", "bench/out/bench.json", "`file` for every value")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run measures all there is, and prints what was measured before an error too.
func run(ctx context.Context, o options) (err error) {
	binary, err := launch.Binary(".")
	if err != nil {
		return err
	}
	// The bare runtime is started with the programs that podling has beside it.
	if err := os.Setenv("PATH", filepath.Dir(binary)+string(os.PathListSeparator)+os.Getenv("PATH")); err != nil {
		return err
	}
	pids, err := referencePids()
	if err != nil {
		return err
	}
	registry, stop, err := images.Serve(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	b := &bench{options: o, binary: binary, mirror: registry.Mirror(), reference: os.Getenv("PODLING_BENCH_REFERENCE"), referencePids: pids}
	err = b.measure(ctx)
	return errors.Join(err, b.figures.write(o.json), b.figures.print(os.Stdout))
}

// referencePids are the process ids in PODLING_BENCH_REFERENCE_PIDS, between blanks
// or commas.
func referencePids() ([]int, error) {
	const variable = "PODLING_BENCH_REFERENCE_PIDS"
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
