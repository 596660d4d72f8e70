// Package containerd starts a containerd of podling's own and minds it: writes
// its configuration, starts it again when it dies, and leaves its containers
// alone when podling ends.
//
// It is the ground that the node stands on: the kubelet talks to Endpoint
// through runtime/cri, containerd runs a shim for each pod, the shim runs runc,
// and the CNI plugins hang the pod on a bridge of this daemon's own. Images
// come from files that podling serves (package images), from mirrors, or from
// the registries they name.
//
// Everything lies below one folder; nothing of another containerd on the
// machine is read or touched.
package containerd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
	"k8s.io/klog/v2"

	"github.com/podling/podling/runtime/containerd/images"
	"github.com/podling/podling/runtime/containerd/pause"
	"github.com/podling/podling/runtime/cri"
)

// Config says what to start.
type Config struct {
	// Dir is the daemon's folder: configuration, images, containers, socket, log.
	// A daemon started on the same folder again has the same containers.
	Dir string
	// Mirrors are asked before the registries they stand for: host (docker.io)
	// to URL (http://127.0.0.1:5000).
	Mirrors map[string]string
	// Images are archives or OCI layout folders that are asked before any registry.
	Images []string
	// Network is what ChooseNetwork has chosen for Dir; Start chooses where nobody has.
	Network Network
	// Step, if set, is told of each thing that is ready and how long it took.
	Step func(name string, took time.Duration)
	// Lacks, if set, is told in a line each what this machine lacks, and what pods have to do without.
	Lacks func(line string)
}

// A Daemon is a containerd that is running, or being started again.
type Daemon struct {
	files    layout
	programs programs
	network  Network
	lacks    func(line string)
	registry *http.Server
	hold     hold
	heard    heard

	stopping chan struct{} // closed when containerd shall end
	stop     sync.Once
	ended    chan struct{} // closed when it has, for good
}

// Start returns once containerd's CRI answers. What cannot work (no root, a
// program that is missing, an archive that is broken) is said before anything
// is started. Cancelling ctx ends the start; the daemon runs until Stop.
func Start(ctx context.Context, cfg Config) (*Daemon, error) {
	began := time.Now()
	if err := mayRun(); err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(cfg.Dir)
	if err != nil {
		return nil, err
	}
	d := &Daemon{files: layout(dir), stopping: make(chan struct{}), ended: make(chan struct{}), network: cfg.Network, lacks: cfg.Lacks}
	if d.lacks == nil {
		d.lacks = func(string) {}
	}
	if err := d.files.check(); err != nil {
		return nil, err
	}
	if d.programs, err = findPrograms(); err != nil {
		return nil, err
	}
	if err := checkMirrors(cfg.Mirrors); err != nil {
		return nil, err
	}
	set, err := loadImages(cfg.Images)
	if err != nil {
		return nil, err
	}
	running, err := d.prepare(ctx)
	if err != nil {
		return nil, fmt.Errorf("preparing containerd in %s: %w", dir, err)
	}
	if err := d.serve(set, cfg.Mirrors); err != nil {
		if running != nil {
			running.end(ctx)
		}
		return nil, fmt.Errorf("serving images to containerd: %w", err)
	}
	if err := d.start(ctx, running); err != nil {
		return nil, errors.Join(err, d.registry.Close())
	}
	if cfg.Step != nil {
		cfg.Step("containerd", time.Since(began))
	}
	return d, nil
}

// Endpoint is the CRI socket, as unix:///path.
func (d *Daemon) Endpoint() string { return d.files.endpoint() }

// Stop ends containerd, with force if it has not ended by itself after five
// seconds or when ctx ends. Containers go on; Start on the same folder finds
// them again. Where no pod is left, neither are the bridge and its rules.
func (d *Daemon) Stop(ctx context.Context) error {
	return errors.Join(d.end(ctx), d.network.withdraw(ctx))
}

// end ends containerd and podling's registry.
func (d *Daemon) end(ctx context.Context) error {
	d.stop.Do(func() { close(d.stopping) })
	d.hold.release()
	select {
	case <-d.ended:
	case <-ctx.Done():
		return fmt.Errorf("containerd has not ended: %w", ctx.Err())
	}
	return d.registry.Close()
}

// loadImages reads the given archives and adds the pause image.
func loadImages(paths []string) (*images.Set, error) {
	set, err := images.Load(paths...)
	if err != nil {
		return nil, err
	}
	img, err := pause.Image(runtime.GOARCH)
	if err != nil {
		return nil, err
	}
	return set, set.Add(pause.Name, img)
}

// prepare writes what containerd reads. If a killed podling has left its containerd behind on this
// folder, which outlives it as containers do, that is taken over or ended.
func (d *Daemon) prepare(ctx context.Context) (running *process, err error) {
	if err := os.MkdirAll(string(d.files), 0o711); err != nil {
		return nil, err
	}
	config, err := d.files.configFor(d.programs)
	if err != nil {
		return nil, err
	}
	if running, err = d.takeOver(ctx, config); err != nil {
		return nil, err
	}
	if running == nil {
		if err := d.files.freshState(); err != nil {
			return nil, err
		}
		if err := os.WriteFile(d.files.config(), config, 0o600); err != nil {
			return nil, err
		}
	}
	if !d.network.subnet.IsValid() {
		if d.network, err = d.files.chooseNetwork(); err != nil {
			return nil, err
		}
	}
	return running, d.files.writeNetwork(d.network)
}

// serve opens podling's registry on a loopback port and points containerd to it.
func (d *Daemon) serve(set *images.Set, mirrors map[string]string) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	d.registry = &http.Server{Handler: set, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		if err := d.registry.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			klog.ErrorS(err, "podling's image registry ended: images given with --image can no longer be pulled")
		}
	}()
	if err := d.files.writeHosts(listener.Addr().String(), set, mirrors); err != nil {
		return errors.Join(err, d.registry.Close())
	}
	return nil
}

// start has containerd, the one that runs or a new one, answer, and minds it from then on.
func (d *Daemon) start(ctx context.Context, running *process) error {
	forwarded := make(chan error, 1)
	if err := d.network.makeBridge(); err != nil {
		d.lacks(fmt.Sprintf("pods get no addresses: %v", err))
	}
	go func() { forwarded <- d.network.forward(ctx, d.lacks) }()
	p, err := d.answering(ctx, running)
	if err != nil {
		<-forwarded
		return errors.Join(err, d.network.withdraw(context.WithoutCancel(ctx)))
	}
	go d.mind(p)
	go d.listen()
	if err := <-forwarded; err != nil {
		d.lacks(fmt.Sprintf("pods cannot reach beyond this machine: %v", err))
	}
	return nil
}

// listen hears how containers end, until containerd has ended for good.
func (d *Daemon) listen() {
	ctx, cancel := endingWith(context.Background(), d.ended)
	defer cancel()
	d.heard.listen(ctx, d.Endpoint())
}

// answering gives a containerd whose CRI answers: the running one, if there is one and it does.
func (d *Daemon) answering(ctx context.Context, running *process) (*process, error) {
	if running != nil {
		err := d.ready(ctx, running)
		if err == nil {
			return running, nil
		}
		klog.ErrorS(err, "The containerd that was taken over does not answer, and is replaced", "pid", running.Pid)
		d.files.keepEnds()
		running.end(ctx)
	}
	p, err := d.launch()
	if err != nil {
		return nil, err
	}
	if err := d.ready(ctx, p); err != nil {
		select {
		case <-p.exited:
			err = fmt.Errorf("containerd ended at its start: %s", d.files.lastLog())
		default:
			p.end(ctx)
		}
		return nil, err
	}
	return p, nil
}

// ready waits for the CRI and has it pull the pause image, so that the first
// pod does not wait for that. It does not wait for a process that has ended.
func (d *Daemon) ready(ctx context.Context, p *process) (err error) {
	ctx, cancel := endingWith(ctx, p.exited)
	defer cancel()
	client, err := cri.Connect(ctx, d.Endpoint())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, client.Close(ctx)) }()
	spec := &runtimeapi.ImageSpec{Image: pause.Name}
	if _, err := client.PullImage(ctx, spec, nil, nil); err != nil {
		return fmt.Errorf("the pause image: %w", err)
	}
	return nil
}
