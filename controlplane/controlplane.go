package controlplane

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/flowcontrol"
)

const (
	// readyInterval is how often /readyz is asked while the API server starts.
	readyInterval = 10 * time.Millisecond
	// readyTimeout is how long the API server has to get ready.
	readyTimeout = 60 * time.Second
	// stopTimeout is how long a control plane that could not be started has to end.
	stopTimeout = 15 * time.Second
	// stopBroken is how long one whose etcd gave up has to end.
	stopBroken = 5 * time.Second
)

// Config says how a control plane is run.
type Config struct {
	// DataDir is the folder below which everything is kept. It is made, 0700, if it is not there.
	DataDir string
	// Listen is the API server's ADDR:PORT; port 0 is any that is free. Default 127.0.0.1:0.
	Listen string
	// PodAddress is this machine's address on its pods' network, if there is one, even if it is yet
	// to be given to the machine. An API server that would listen on loopback alone listens there too,
	// and the kubernetes Service leads there.
	PodAddress net.IP
	// EtcdServers are the URLs of an etcd to be used in place of the embedded one.
	EtcdServers []string
	// Ephemeral spares the embedded etcd from waiting for the disk: after a crash of the machine
	// the data may be lost.
	Ephemeral bool
	// NodeMonitorGracePeriod is how long a node may be silent before it counts as gone; 0 is upstream's
	// default, 50 s.
	NodeMonitorGracePeriod time.Duration
	// Scheduled bounds the scheduler's Events about pods that it has placed; what is too much is not
	// written. Nil: there is one for each.
	Scheduled flowcontrol.PassiveRateLimiter
	// PercentageOfNodesToScore bounds how many nodes the scheduler looks at for a pod, never fewer than
	// a hundred that fit; 0 is upstream's default, by the number of nodes.
	PercentageOfNodesToScore int32
	// Verbosity is upstream's -v: what goes to the log beyond warnings and errors.
	Verbosity int
	// Step, if set, is told of each part that is ready, and how long that took. It may be called
	// from several goroutines, one at a time.
	Step func(name string, took time.Duration)
}

// ControlPlane is a control plane that runs.
type ControlPlane struct {
	pki       *pki
	addresses addresses
	admin     *rest.Config
	log       *os.File

	etcd      *etcd // nil where another etcd is used
	apiServer *apiServer
	workers   workers

	stop    sync.Once
	stopErr error
	failure *failure
}

// Start runs a control plane. It returns once the API server is ready, the scheduler knows the
// cluster, and the controllers run. ctx bounds the start alone.
func Start(ctx context.Context, cfg Config) (*ControlPlane, error) {
	c := &ControlPlane{failure: newFailure()}
	if err := c.start(ctx, cfg); err != nil {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		defer cancel()
		return nil, errors.Join(err, c.Stop(ctx))
	}
	return c, nil
}

func (c *ControlPlane) start(ctx context.Context, cfg Config) error {
	var err error
	if cfg.DataDir, err = filepath.Abs(cfg.DataDir); err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	if err := os.MkdirAll(cfg.DataDir, 0o700); err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	if c.log, err = OpenLog(filepath.Join(cfg.DataDir, "log"), "controlplane", cfg.Verbosity); err != nil {
		return err
	}
	if c.addresses, err = listen(cfg.Listen, filepath.Join(cfg.DataDir, "apiserver.port"), cfg.PodAddress); err != nil {
		return err
	}
	step := reporter(cfg.Step)
	servers, answers, err := c.startStorage(ctx, cfg, step)
	if err != nil {
		return err
	}
	if err := c.certify(filepath.Join(cfg.DataDir, "pki")); err != nil {
		return err
	}
	if err := answers(); err != nil {
		return err
	}
	if err := c.startAPI(ctx, servers, step); err != nil {
		return err
	}
	return c.startWorkers(ctx, cfg, step)
}

// startStorage starts the embedded etcd, or takes the one that is named. The function that it
// returns waits until etcd answers.
func (c *ControlPlane) startStorage(ctx context.Context, cfg Config, step func(string) func()) ([]string, func() error, error) {
	if len(cfg.EtcdServers) > 0 {
		return cfg.EtcdServers, func() error { return probeEtcd(ctx, cfg.EtcdServers) }, nil
	}
	ready := step("etcd")
	var err error
	c.etcd, err = startEtcd(filepath.Join(cfg.DataDir, "etcd"), !cfg.Ephemeral, c.log, etcdLevel(cfg.Verbosity))
	if err != nil {
		return nil, nil, err
	}
	c.etcd.watch(c.failure.report)
	answers := make(chan error, 1)
	go func() {
		err := c.etcd.wait(ctx)
		if err == nil {
			ready()
		}
		answers <- err
	}()
	return []string{c.etcd.endpoint}, func() error { return <-answers }, nil
}

// certify opens the certificates in dir, and makes the administrator's.
func (c *ControlPlane) certify(dir string) error {
	var err error
	if c.pki, err = openPKI(dir); err != nil {
		return err
	}
	c.admin, err = c.client(subject{commonName: "kubernetes-admin", groups: []string{groupMasters}})
	return err
}

// startAPI starts the API server and returns when it is ready.
func (c *ControlPlane) startAPI(ctx context.Context, etcdServers []string, step func(string) func()) error {
	ready := step("API server")
	options, err := apiServerOptions(c.pki, c.addresses, etcdServers)
	if err != nil {
		return err
	}
	if c.apiServer, err = newAPIServer(ctx, options, c.etcd); err != nil {
		return err
	}
	if err := c.apiServer.serve(); err != nil {
		return err
	}
	if err := c.waitReady(ctx); err != nil {
		return err
	}
	ready()
	return nil
}

// waitReady returns once /readyz answers.
func (c *ControlPlane) waitReady(ctx context.Context) error {
	client, err := kubernetes.NewForConfig(c.admin)
	if err != nil {
		return fmt.Errorf("client for the API server: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	tick := time.NewTicker(readyInterval)
	defer tick.Stop()
	for {
		why, err := client.Discovery().RESTClient().Get().AbsPath("/readyz").DoRaw(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-c.failure.done:
			return c.failure.error()
		case <-c.apiServer.done:
			return fmt.Errorf("the API server ended while starting: %w", c.apiServer.err)
		case <-ctx.Done():
			return fmt.Errorf("the API server is not ready (%w): %s", ctx.Err(), why)
		}
	}
}

// Stop ends the parts in order: controllers and scheduler, API server, etcd. What is stored stays.
func (c *ControlPlane) Stop(ctx context.Context) error {
	c.stop.Do(func() { c.stopErr = c.end(ctx) })
	return c.stopErr
}

func (c *ControlPlane) end(ctx context.Context) error {
	c.failure.disarm()
	if c.etcd != nil && c.etcd.broken() {
		c.etcd.stop() // first, and the rest has to end without its answers
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, stopBroken)
		defer cancel()
	}
	err := c.workers.stop(ctx)
	if c.apiServer.served() {
		err = errors.Join(err, c.apiServer.stop(ctx))
	}
	if c.etcd != nil && !c.etcd.broken() {
		c.etcd.stop()
	}
	if c.addresses.listener != nil && !c.apiServer.served() { // it closes its listener itself
		err = errors.Join(err, c.addresses.listener.Close())
	}
	if c.log != nil {
		err = errors.Join(err, CloseLog(c.log))
	}
	return err
}

// Done is closed when a part has ended that should not have; Err says which.
func (c *ControlPlane) Done() <-chan struct{} { return c.failure.done }

// Err is why a part ended, after Done.
func (c *ControlPlane) Err() error { return c.failure.error() }

// reporter makes a function that begins a step and returns what ends it.
func reporter(step func(string, time.Duration)) func(string) func() {
	var mu sync.Mutex
	return func(name string) func() {
		began := time.Now()
		return func() {
			if step != nil {
				mu.Lock()
				defer mu.Unlock()
				step(name, time.Since(began))
			}
		}
	}
}
