// Command podling-conformance plays scenarios on a cluster and says which hold.
//
//	podling-conformance [flags] [scenario...]
//
// Without -kubeconfig it starts podling itself (PODLING_BIN, or bin/podling), with
// a registry that has the scenarios' images, or, with -runtime sim, with a simulated
// node. With -check it plays nothing and
// judges recordings made before; with -golden it makes golden files of them. Exit
// code 0 says that every scenario holds.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/podling/podling/conformance"
	"github.com/podling/podling/conformance/images"
	"github.com/podling/podling/conformance/launch"
)

type options struct {
	kubeconfig, node, registry, kubectl string
	runtime, scenarios, holds           string
	record, check, golden, longer       string
	jobs                                int
	verbose                             bool
	names                               []string
}

func main() {
	var o options
	flag.StringVar(&o.kubeconfig, "kubeconfig", "", "the cluster; without it podling is started")
	flag.StringVar(&o.node, "node", "", "with -kubeconfig: the node that steps name")
	flag.StringVar(&o.registry, "registry", "", "with -kubeconfig: `ADDR:PORT` of the registry that the cluster takes for docker.io, with the scenarios' images in it")
	flag.StringVar(&o.kubectl, "kubectl", "", "with -kubeconfig: `command` that the steps call as kubectl (default podling's own)")
	flag.StringVar(&o.runtime, "runtime", "containerd", "without -kubeconfig: what podling's pods run on, `containerd or sim`")
	flag.StringVar(&o.scenarios, "scenarios", "conformance/scenarios", "`folder` of the scenarios")
	flag.StringVar(&o.holds, "holds", "", "`file` that lists the scenarios that held before (default the runtime's in conformance/)")
	flag.StringVar(&o.record, "record", "", "keep the recordings in this `folder`")
	flag.StringVar(&o.check, "check", "", "play nothing: judge the recordings in this `folder`")
	flag.StringVar(&o.golden, "golden", "", "play nothing: make the golden files from the recordings in these `folders`, with commas between")
	flag.StringVar(&o.longer, "longer", "", "with -golden: `folders` of recordings that only add to what may be shown")
	flag.IntVar(&o.jobs, "jobs", 5, "how many scenarios at once")
	flag.BoolVar(&o.verbose, "v", false, "print every difference, details too")
	flag.Parse()
	o.names = flag.Args()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	held, err := run(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "podling-conformance:", err)
	}
	if err != nil || !held {
		os.Exit(1)
	}
}

// lists are the files that list what held before, by runtime.
var lists = map[string]string{"containerd": "conformance/holds.txt", "sim": "conformance/holds-sim.txt"}

// run plays or judges the scenarios and says whether all hold.
func run(ctx context.Context, o options) (bool, error) {
	scenarios, err := conformance.Scenarios(o.scenarios, o.names...)
	if err != nil {
		return false, err
	}
	if o.golden != "" {
		return true, writeGoldens(scenarios, strings.Split(o.golden, ","), strings.FieldsFunc(o.longer, func(r rune) bool { return r == ',' }))
	}
	if _, known := lists[o.runtime]; !known {
		return false, fmt.Errorf("-runtime %q: want containerd or sim", o.runtime)
	}
	expected, err := conformance.Names(cmp.Or(o.holds, lists[o.runtime]))
	if err != nil {
		return false, fmt.Errorf("list of what held before: %w", err)
	}
	s := score{expected: expected, total: len(scenarios), verbose: o.verbose}
	if o.check != "" {
		for _, scenario := range scenarios {
			s.add(judge(o.check, scenario))
		}
	} else if err := play(ctx, o, scenarios, s.add); err != nil {
		return false, err
	}
	s.summary()
	return s.held == s.total, nil
}

// judge checks one recording that was made before.
func judge(dir string, scenario conformance.Scenario) conformance.Result {
	result := conformance.Result{Scenario: scenario}
	var recording *conformance.Recording
	if recording, result.Err = conformance.Load(dir, scenario.Name); result.Err == nil {
		result.Verdict, result.Err = conformance.Check(scenario, recording)
	}
	return result
}

// writeGoldens makes the scenarios' golden files from folders of recordings.
func writeGoldens(scenarios []conformance.Scenario, folders, longer []string) error {
	for _, s := range scenarios {
		recordings, err := loadAll(s, folders)
		if err != nil {
			return err
		}
		more, err := loadAll(s, longer)
		if err != nil {
			return err
		}
		if err := conformance.WriteGolden(s, recordings, more); err != nil {
			return err
		}
	}
	return nil
}

func loadAll(s conformance.Scenario, folders []string) ([]*conformance.Recording, error) {
	var all []*conformance.Recording
	for _, folder := range folders {
		r, err := conformance.Load(folder, s.Name)
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, nil
}

// play runs the scenarios on the cluster that the options name, or on one that it
// brings up and takes down again.
func play(ctx context.Context, o options, scenarios []conformance.Scenario, report func(conformance.Result)) (err error) {
	runner, stop, err := cluster(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	runner.Jobs, runner.RecordDir = o.jobs, o.record
	return runner.Run(ctx, scenarios, report)
}

// cluster is a runner for the cluster that the options name, or for podling.
func cluster(ctx context.Context, o options) (conformance.Runner, func() error, error) {
	if o.kubeconfig == "" {
		binary, err := launch.Binary(".")
		if err != nil {
			return conformance.Runner{}, nil, err
		}
		if o.runtime == "sim" {
			return conformance.Simulated(ctx, binary)
		}
		return conformance.Podling(ctx, binary)
	}
	path, err := filepath.Abs(o.kubeconfig)
	if err != nil {
		return conformance.Runner{}, nil, err
	}
	runner := conformance.Runner{Kubeconfig: path, Node: o.node, Kubectl: o.kubectl, Push: images.Registry{Addr: o.registry}.Push}
	if runner.Kubectl == "" {
		binary, err := launch.Binary(".")
		if err != nil {
			return conformance.Runner{}, nil, fmt.Errorf("no -kubectl given: %w", err)
		}
		runner.Kubectl = binary + " kubectl"
	}
	return runner, func() error { return nil }, nil
}
