package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/podling/podling/bench/crash"
	"github.com/podling/podling/bench/floor"
	"github.com/podling/podling/bench/load"
	"github.com/podling/podling/bench/memory"
	"github.com/podling/podling/conformance/launch"
	"github.com/podling/podling/runtime/containerd"
	"github.com/podling/podling/runtime/cri"
)

const (
	// warm is how many pods run on a system before it is measured.
	warm = 3
	// endLimit is how long the bare runtime may take to end.
	endLimit = time.Minute
	// crashRestarts is how often each container is restarted that ends: at once, after 10 s and after 20 s.
	crashRestarts = 3
)

type bench struct {
	options
	binary, mirror string
	reference      string // kubeconfig of the other cluster, or nothing
	referencePids  []int
	figures        figures
}

func (b *bench) measure(ctx context.Context) error {
	if err := b.ready(ctx); err != nil {
		return err
	}
	if b.idle == 0 && b.rounds == 0 && b.crash == 0 {
		return nil
	}
	return b.onPodling(ctx, func(p *launch.Podling) error {
		if err := b.atRest(ctx, p.Pid); err != nil {
			return err
		}
		if err := b.crashes(ctx, p.Kubeconfig); err != nil {
			return err
		}
		return b.loads(ctx, p.Kubeconfig)
	})
}

// crashes times containers that end again and again, on each cluster in turn.
func (b *bench) crashes(ctx context.Context, kubeconfig string) error {
	if b.crash == 0 {
		return nil
	}
	for system, kubeconfig := range map[string]string{podling: kubeconfig, reference: b.reference} {
		if kubeconfig == "" {
			continue
		}
		b.say("%d containers on %s end %d times", b.crash, system, crashRestarts)
		took, err := b.crashOn(ctx, kubeconfig)
		if err != nil {
			return fmt.Errorf("%s: %w", system, err)
		}
		for name, times := range map[string][]time.Duration{
			"container's end to terminated shown":       took.Shown,
			"container's end to CrashLoopBackOff shown": took.BackOff,
			"back-off's end to the container's restart": took.Restarted,
		} {
			for _, t := range times {
				b.figures.add(name, "ms", system, ms(t))
			}
		}
	}
	return nil
}

func (b *bench) crashOn(ctx context.Context, kubeconfig string) (took crash.Result, err error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return took, err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return took, err
	}
	namespace, remove, err := load.Namespace(ctx, client)
	if err != nil {
		return took, err
	}
	defer func() { err = errors.Join(err, remove()) }()
	return crash.Measure(ctx, config, namespace, crash.Options{Pods: b.crash, Restarts: crashRestarts, Image: image})
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// onPodling does something with an ephemeral podling.
func (b *bench) onPodling(ctx context.Context, do func(*launch.Podling) error) error {
	dir, err := os.MkdirTemp("", "podling-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	p, err := launch.Up(ctx, b.binary, "--ephemeral", "--registry-mirror", b.mirror, "--kubeconfig", filepath.Join(dir, "kubeconfig"))
	if err != nil {
		return err
	}
	return errors.Join(do(p), p.Stop())
}

// ready times `podling up` on an empty data folder: as it is by default, each write
// on the disk before it counts, and ephemeral.
func (b *bench) ready(ctx context.Context) error {
	for i := range b.starts {
		b.say("start %d of %d", i+1, b.starts)
		dir, err := os.MkdirTemp("", "podling-bench-")
		if err != nil {
			return err
		}
		p, err := launch.Up(ctx, b.binary, "--data-dir", dir, "--registry-mirror", b.mirror)
		if err == nil {
			b.figures.add("up to node Ready, empty data folder", "s", podling, p.Ready.Seconds())
			err = p.Stop()
		}
		if err := errors.Join(err, os.RemoveAll(dir)); err != nil {
			return err
		}
		err = b.onPodling(ctx, func(p *launch.Podling) error {
			b.figures.add("up to node Ready, ephemeral", "s", podling, p.Ready.Seconds())
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// atRest reads the memory of the processes that are control plane and node, without
// the container runtime's.
func (b *bench) atRest(ctx context.Context, pid int) error {
	if b.idle == 0 {
		return nil
	}
	b.say("at rest for %v", b.idle)
	select {
	case <-time.After(b.idle):
	case <-ctx.Done():
		return ctx.Err()
	}
	for system, pids := range map[string][]int{podling: {pid}, reference: b.referencePids} {
		if len(pids) == 0 {
			continue
		}
		used, err := memory.Of(pids...)
		if err != nil {
			return fmt.Errorf("memory of %s: %w", system, err)
		}
		b.figures.add("resident at rest", "MB", system, float64(used.Resident)/1e6)
		b.figures.add("anonymous at rest", "MB", system, float64(used.Anonymous)/1e6)
	}
	return nil
}

// loads puts each load on each system in turn, round after round, so that what else
// the machine does falls on all of them.
func (b *bench) loads(ctx context.Context, kubeconfig string) error {
	if b.rounds == 0 {
		return nil
	}
	clusters := map[string]string{podling: kubeconfig}
	if b.reference != "" {
		clusters[reference] = b.reference
	}
	return b.onRuntime(ctx, func(r *cri.Runtime) error {
		for i := range b.rounds + 1 { // round 0 brings the image and fills caches
			for _, size := range b.sizes() {
				if i == 0 {
					size.Pods = warm
				}
				b.say("round %d of %d: %d pods, %d at once", i, b.rounds, size.Pods, size.Parallel)
				for _, system := range slices.Concat(systems[i%len(systems):], systems[:i%len(systems)]) { // nobody is always first
					took, err := b.put(ctx, r, clusters, system, size)
					if err != nil {
						return fmt.Errorf("%s: %w", system, err)
					}
					if i > 0 && took != nil {
						b.note(system, size, took)
					}
				}
			}
		}
		return nil
	})
}

// sizes are the loads of a round.
func (b *bench) sizes() []load.Options {
	all := []load.Options{{Pods: b.serial, Parallel: 1, Image: image}}
	for _, pods := range b.pods {
		all = append(all, load.Options{Pods: pods, Parallel: b.parallel, Image: image})
	}
	return all
}

// put puts a load on a system, or returns nil if that is not there.
func (b *bench) put(ctx context.Context, r *cri.Runtime, clusters map[string]string, system string, size load.Options) (*load.Result, error) {
	if system == bare {
		took, err := floor.Measure(ctx, r, floor.Options{Pods: size.Pods, Parallel: size.Parallel, Image: size.Image})
		return &load.Result{Running: took.Started, Gone: took.Ended, AllRunning: took.AllStarted, AllGone: took.AllEnded}, err
	}
	kubeconfig, there := clusters[system]
	if !there {
		return nil, nil
	}
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, err
	}
	took, err := load.Measure(ctx, config, size)
	return &took, err
}

// note adds what a load showed to the figures.
func (b *bench) note(system string, size load.Options, took *load.Result) {
	if size.Parallel == 1 {
		at := func(share float64) time.Duration { return took.Running[int(share*float64(len(took.Running)-1))] }
		b.figures.add("create to Running, one at a time, p50", "ms", system, ms(at(.5)))
		b.figures.add("create to Running, one at a time, p90", "ms", system, ms(at(.9)))
		return
	}
	b.figures.add(fmt.Sprintf("%d pods at once, all Running", size.Pods), "s", system, took.AllRunning.Seconds())
	b.figures.add(fmt.Sprintf("%d pods deleted, all gone", size.Pods), "s", system, took.AllGone.Seconds())
}

// onRuntime does something with a containerd that is configured as podling's own, and
// has the image, but no node: a node would end pods that it does not know.
func (b *bench) onRuntime(ctx context.Context, do func(*cri.Runtime) error) (err error) {
	dir, err := os.MkdirTemp("", "podling-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	host, url, _ := strings.Cut(b.mirror, "=")
	daemon, err := containerd.Start(ctx, containerd.Config{Dir: dir, Mirrors: map[string]string{host: url}})
	if err != nil {
		return err
	}
	defer func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), endLimit)
		defer cancel()
		err = errors.Join(err, daemon.RemoveAll(end), daemon.Stop(end))
	}()
	r, err := cri.Connect(ctx, daemon.Endpoint())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close(context.WithoutCancel(ctx))) }()
	if _, err := r.PullImage(ctx, &runtimeapi.ImageSpec{Image: image}, nil, nil); err != nil {
		return fmt.Errorf("image for the bare runtime: %w", err)
	}
	return do(r)
}
