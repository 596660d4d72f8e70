package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/podling/podling/bench/cpu"
	"github.com/podling/podling/bench/load"
	"github.com/podling/podling/bench/memory"
	"github.com/podling/podling/conformance/launch"
)

const (
	// simulatedWarm is how many simulated pods run on a system before it is measured.
	simulatedWarm = 100
	// deletes is how many simulated pods are deleted at once.
	deletes = 16
	// usualPods is how many pods a node takes that is not told how many.
	usualPods = 110
	// settleInterval is how often a cluster is asked whether the last load is forgotten.
	settleInterval = 200 * time.Millisecond
)

// A simulation is a cluster of simulated pods, and the processes that make it up.
type simulation struct {
	name   string
	config *rest.Config
	client kubernetes.Interface
	pids   []int
	rest   memory.Usage // of the processes before the first load
}

// scale measures simulated pods.
type scale struct {
	options
	binary  string
	others  []*simulation
	figures figures
}

// simulations are the clusters beside podling's own that the environment names.
func simulations() ([]*simulation, error) {
	var all []*simulation
	for name, variable := range map[string]string{kwok: "PODLING_BENCH_KWOK", onUpstream: "PODLING_BENCH_UPSTREAM"} {
		kubeconfig := os.Getenv(variable)
		if kubeconfig == "" {
			continue
		}
		pids, err := pidsIn(variable + "_PIDS")
		if err != nil {
			return nil, err
		}
		if len(pids) == 0 {
			return nil, fmt.Errorf("%s names a cluster: say in %s_PIDS which processes it has, control plane and nodes", variable, variable)
		}
		s, err := newSimulation(name, kubeconfig, pids)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", variable, err)
		}
		all = append(all, s)
	}
	return all, nil
}

func newSimulation(name, kubeconfig string, pids []int) (*simulation, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, err
	}
	config.QPS = -1 // the cluster is measured, not a limiter here
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	return &simulation{name: name, config: config, client: client, pids: pids}, nil
}

func (s *scale) measure(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "podling-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	room := max(usualPods, 2*slices.Max(s.pods)/s.nodes) // the scheduler does not spread evenly
	s.say("start with %d nodes", s.nodes)
	p, err := launch.Up(ctx, s.binary, "--ephemeral", "--runtime", "sim", "--nodes", strconv.Itoa(s.nodes), "--max-pods", strconv.Itoa(room),
		"--kubeconfig", filepath.Join(dir, "kubeconfig"))
	if err != nil {
		return err
	}
	s.figures.add(fmt.Sprintf("up to %d nodes Ready", s.nodes), "s", podling, p.Ready.Seconds())
	own, err := newSimulation(podling, p.Kubeconfig, []int{p.Pid})
	if err == nil {
		err = s.measureOn(ctx, append([]*simulation{own}, s.others...))
	}
	return errors.Join(err, p.Stop())
}

// measureOn puts each load on each cluster in turn, round after round. Nobody is always
// first. After the last load of all each cluster rests with its pods.
func (s *scale) measureOn(ctx context.Context, clusters []*simulation) error {
	for _, c := range clusters { // brings the image and fills caches
		err := s.put(ctx, c, load.Options{Pods: simulatedWarm}, func(context.Context, time.Duration) error { return nil })
		if err == nil {
			c.rest, err = memory.Of(c.pids...)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	for i := range s.rounds {
		for j, pods := range s.pods {
			s.say("round %d of %d: %d pods", i+1, s.rounds, pods)
			last := i == s.rounds-1 && j == len(s.pods)-1
			k := i % len(clusters)
			for _, c := range slices.Concat(clusters[k:], clusters[:k]) {
				if err := s.load(ctx, c, pods, last); err != nil {
					return fmt.Errorf("%s: %w", c.name, err)
				}
			}
		}
	}
	return nil
}

// put puts a load on a cluster and calls ran, while all pods run, with the processor time
// that it took. It returns once the cluster has forgotten the load, or the next one, on
// another cluster, would be measured beside that work.
func (s *scale) put(ctx context.Context, c *simulation, o load.Options, ran func(context.Context, time.Duration) error) error {
	before, err := cpu.Of(c.pids...)
	if err != nil {
		return err
	}
	o.Parallel, o.Image, o.Deletes = s.parallel, image, deletes
	o.Ran = func(ctx context.Context) error {
		after, err := cpu.Of(c.pids...)
		if err != nil {
			return err
		}
		return ran(ctx, after-before)
	}
	took, err := load.Measure(ctx, c.config, o)
	if err != nil {
		return err
	}
	if err := settle(ctx, c.client); err != nil || o.Pods == simulatedWarm {
		return err
	}
	count := float64(o.Pods)
	s.figures.add(fmt.Sprintf("%d simulated pods, all Running", o.Pods), "s", c.name, took.AllRunning.Seconds())
	s.figures.add(fmt.Sprintf("%d simulated pods, to Running", o.Pods), "1/s", c.name, count/took.AllRunning.Seconds())
	s.figures.add(fmt.Sprintf("%d simulated pods, deleted and gone", o.Pods), "1/s", c.name, count/took.AllGone.Seconds())
	return nil
}

// load puts a load on a cluster and notes what that took; rest: it is watched at rest
// too, before the pods go.
func (s *scale) load(ctx context.Context, c *simulation, pods int, rest bool) error {
	return s.put(ctx, c, load.Options{Pods: pods}, func(ctx context.Context, used time.Duration) error {
		held, err := memory.Of(c.pids...)
		if err != nil {
			return err
		}
		thousands := float64(pods) / 1000
		s.figures.add(fmt.Sprintf("CPU per 1,000 pods, of %d", pods), "s", c.name, used.Seconds()/thousands)
		s.figures.add(fmt.Sprintf("memory per 1,000 pods, of %d", pods), "MB", c.name, (float64(held.Resident)-float64(c.rest.Resident))/1e6/thousands)
		s.figures.add(fmt.Sprintf("resident with %d pods", pods), "MB", c.name, float64(held.Resident)/1e6)
		if !rest || s.idle == 0 {
			return nil
		}
		return s.atRest(ctx, c, pods)
	})
}

// settle waits until the namespaces that are being deleted are gone, with the Events
// in them: the controllers remove those one by one.
func settle(ctx context.Context, client kubernetes.Interface) error {
	for {
		list, err := client.CoreV1().Namespaces().List(ctx, metav1.ListOptions{})
		if err != nil {
			return fmt.Errorf("whether the last load is forgotten: %w", err)
		}
		if !slices.ContainsFunc(list.Items, func(n v1.Namespace) bool { return n.DeletionTimestamp != nil }) {
			return nil
		}
		select {
		case <-time.After(settleInterval):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
