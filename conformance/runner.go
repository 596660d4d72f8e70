package conformance

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// afterwards is how long the watches go on once the steps are done: a second, and
// what it took the recorder of the goldens to end its three kubectl one by one.
// Some of what every golden shows came in that time.
const afterwards = time.Second + 250*time.Millisecond

// A Runner plays scenarios on one cluster.
type Runner struct {
	Kubeconfig string                                        // of the cluster
	Node       string                                        // for steps that name one
	Kubectl    string                                        // the command, in shell words: "podling kubectl"
	Push       func(ctx context.Context, image string) error // gives the busybox image a further NAME:TAG
	Jobs       int                                           // how many scenarios at once
	RecordDir  string                                        // where recordings are kept; empty: nowhere
}

// A Result is one scenario played and checked. Err is for what kept it from being
// played at all.
type Result struct {
	Scenario Scenario
	Verdict  Verdict
	Took     time.Duration
	Err      error
}

// Run plays the scenarios side by side, those that want to be alone after all others, and
// hands over each result as it comes, one at a time. Its error is for what concerns all of them.
func (r Runner) Run(ctx context.Context, scenarios []Scenario, report func(Result)) error {
	config, err := clientcmd.BuildConfigFromFlags("", r.Kubeconfig)
	if err != nil {
		return fmt.Errorf("kubeconfig %s: %w", r.Kubeconfig, err)
	}
	config.QPS = -1 // the scenarios wait on the cluster, not on a limiter here
	client, err := kubernetes.NewForConfig(rest.AddUserAgent(config, "podling-conformance"))
	if err != nil {
		return fmt.Errorf("kubeconfig %s: %w", r.Kubeconfig, err)
	}
	if r.RecordDir != "" {
		if err := os.MkdirAll(r.RecordDir, 0o755); err != nil {
			return fmt.Errorf("folder for recordings: %w", err)
		}
	}
	scratch, err := os.MkdirTemp("", "podling-conformance-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	if err := r.warm(ctx, client); err != nil {
		return fmt.Errorf("images onto the node: %w", err)
	}
	var one sync.Mutex
	run := func(s Scenario) {
		begin := time.Now()
		p := play{Runner: r, client: client, scenario: s, dir: filepath.Join(scratch, s.Name), cache: filepath.Join(scratch, "kubectl")}
		verdict, err := p.run(ctx)
		one.Lock()
		defer one.Unlock()
		report(Result{Scenario: s, Verdict: verdict, Took: time.Since(begin), Err: err})
	}
	slots := make(chan struct{}, max(1, r.Jobs))
	var crowd sync.WaitGroup
	for _, s := range scenarios {
		if s.Alone {
			continue
		}
		slots <- struct{}{}
		crowd.Go(func() {
			defer func() { <-slots }()
			run(s)
		})
	}
	crowd.Wait()
	for _, s := range scenarios {
		if !s.Alone {
			continue
		}
		if err := quiet(ctx, client); err != nil {
			return err
		}
		run(s)
	}
	return context.Cause(ctx)
}

// A play is one scenario on its way.
type play struct {
	Runner
	client   kubernetes.Interface
	scenario Scenario
	dir      string // its own
	cache    string // kubectl's, for all
}

func (p play) run(ctx context.Context) (Verdict, error) {
	recorded, err := p.record(ctx)
	if err != nil {
		return Verdict{}, err
	}
	text, err := encode(recorded)
	if err != nil {
		return Verdict{}, fmt.Errorf("recording: %w", err)
	}
	if p.RecordDir != "" {
		if err := os.WriteFile(filepath.Join(p.RecordDir, p.scenario.Name+".json"), text, 0o644); err != nil {
			return Verdict{}, err
		}
	}
	read, err := Parse(text)
	if err != nil {
		return Verdict{}, err
	}
	return Check(p.scenario, read)
}

// record plays the scenario in a namespace of its own.
func (p play) record(ctx context.Context) (*Recording, error) {
	work, facts := filepath.Join(p.dir, "work"), filepath.Join(p.dir, "facts")
	if err := errors.Join(os.CopyFS(work, os.DirFS(p.scenario.Dir)), os.MkdirAll(facts, 0o700)); err != nil {
		return nil, fmt.Errorf("copy of the scenario: %w", err)
	}
	var recording *Recording
	err := inNamespace(ctx, p.client, p.scenario.Name, func(namespace string) (err error) {
		recording, err = p.recordIn(ctx, namespace, work, facts)
		return err
	})
	return recording, err
}

func (p play) recordIn(ctx context.Context, namespace, work, facts string) (*Recording, error) {
	r := newRecorder(p.scenario.Name, board(facts))
	watching, stop := context.WithCancel(ctx)
	defer stop()
	pods, err := open(watching, p.client, namespace, "pods", asTable)
	if err != nil {
		return nil, err
	}
	events, err := open(watching, p.client, namespace, "events", "application/json")
	if err != nil {
		return nil, errors.Join(err, pods.body.Close())
	}
	watches, alive := errgroup.WithContext(watching)
	watches.Go(func() error { return pods.each(watching, r.onPods) })
	watches.Go(func() error { return events.each(watching, r.onEvents) })

	r.begin()
	steps, err := script{dir: work, push: p.Push, env: []string{
		"K=" + strings.Join([]string{p.Kubectl, "--kubeconfig", p.Kubeconfig, "-n", namespace}, " "),
		"KUBECACHEDIR=" + p.cache, "NS=" + namespace, "NODE=" + p.Node, "W=" + facts,
	}}.run(alive) // without the watches there is nothing that the steps could wait for
	select {
	case <-time.After(afterwards):
	case <-alive.Done():
	}
	stop()
	if err := errors.Join(err, watches.Wait()); err != nil {
		return nil, err
	}
	return r.end(steps), ctx.Err()
}
