package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/podling/podling/controlplane"
	"github.com/podling/podling/replay"
)

// stopTimeout is how long each part has to end in order; pods that are removed have their own time
// (runtime/containerd, RemoveAll).
const stopTimeout = 20 * time.Second

// Step is told of each part that is ready, and how long it took.
type Step = func(name string, took time.Duration)

// Cluster is a cluster that runs.
type Cluster struct {
	options Options

	folder       *folder
	controlPlane *controlplane.ControlPlane
	runtime      *containerRuntime // nil without a node whose containers are real
	network      *podNetwork       // nil without a node whose containers are real
	nodes        *nodes            // nil without a node
	decisions    *replay.Recorder  // nil if decisions are not written down

	stop    sync.Once
	stopErr error
	ending  context.CancelFunc // called when Stop begins
	done    chan struct{}
	err     error // why a part ended; read after done
}

// Up brings a cluster up. It returns when its node is Ready and the default namespace takes pods.
// step may be nil. ctx bounds the start alone.
func Up(ctx context.Context, o Options, step Step) (*Cluster, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	defer collect(o.Runtime)()
	c := &Cluster{options: o, done: make(chan struct{})}
	var running context.Context
	running, c.ending = context.WithCancel(context.WithoutCancel(ctx))
	if err := c.start(ctx, oneAtATime(step)); err != nil {
		return nil, errors.Join(err, c.Stop(context.WithoutCancel(ctx)))
	}
	go c.watch(running)
	go giveBackMemory(running)
	return c, nil
}

func (c *Cluster) start(ctx context.Context, step Step) error {
	var err error
	if c.folder, err = openFolder(c.options.DataDir); err != nil {
		return err
	}
	if c.options.Kubeconfig == "" {
		c.options.Kubeconfig = kubeconfigIn(c.folder.path)
	}
	pods, err := choosePodNetwork(c.options, c.folder.path)
	if err != nil {
		return err
	}
	starting, stage := errgroup.WithContext(ctx)
	starting.Go(func() error { return c.startControlPlane(stage, podAddress(c.options, pods), step) })
	if c.options.Runtime == RuntimeContainerd {
		starting.Go(func() (err error) {
			c.runtime, err = startRuntime(stage, c.options, c.folder.path, pods, step)
			return err
		})
	}
	if err := starting.Wait(); err != nil {
		return err
	}

	client, err := kubernetes.NewForConfig(c.controlPlane.Admin())
	if err != nil {
		return fmt.Errorf("client: %w", err)
	}
	starting, stage = errgroup.WithContext(ctx)
	starting.Go(func() error { return waitForDefaultAccount(stage, client) })
	if c.options.Runtime != RuntimeNone {
		starting.Go(func() error {
			began := time.Now()
			if c.runtime != nil {
				identity, err := c.controlPlane.ProxyIdentity()
				if err != nil {
					return err
				}
				if c.network, err = startPodNetwork(identity, c.options, c.folder.path, pods); err != nil {
					return err
				}
			}
			decided, err := c.recordDecisions()
			if err != nil {
				return err
			}
			if c.nodes, err = startNodes(c.controlPlane, c.runtime, c.network, c.options, c.folder.path, decided); err != nil {
				return err
			}
			if err := c.nodes.waitReady(stage, client); err != nil {
				return err
			}
			name := "node"
			if n := len(c.nodes.names); n > 1 {
				name = fmt.Sprintf("%d nodes", n)
			}
			step(name, time.Since(began))
			return nil
		})
	}
	return starting.Wait()
}

func (c *Cluster) startControlPlane(ctx context.Context, podAddress net.IP, step Step) error {
	cfg := controlplane.Config{
		DataDir:     c.folder.path,
		Listen:      c.options.Listen,
		PodAddress:  podAddress,
		EtcdServers: c.options.EtcdServers,
		Ephemeral:   c.options.Ephemeral,
		Verbosity:   c.options.Verbosity,

		NodeMonitorGracePeriod: c.options.NodeMonitorGracePeriod,

		Step: step,
	}
	if c.options.Runtime == RuntimeSim {
		cfg.Scheduled = c.options.Simulated.events
		cfg.PercentageOfNodesToScore = simulatedScore
	}
	var err error
	if c.controlPlane, err = controlplane.Start(ctx, cfg); err != nil {
		return err
	}
	return c.controlPlane.WriteKubeconfig(c.options.Kubeconfig)
}

// Admin is a client that may do everything.
func (c *Cluster) Admin() *rest.Config { return c.controlPlane.Admin() }

// Kubeconfig is the file with the administrator's kubeconfig.
func (c *Cluster) Kubeconfig() string { return c.options.Kubeconfig }

// NodeNames are the nodes' names: none where there is only a control plane.
func (c *Cluster) NodeNames() []string {
	if c.nodes == nil {
		return nil
	}
	return c.nodes.names
}

// Done is closed when a part has ended that should not have; Err says which.
func (c *Cluster) Done() <-chan struct{} { return c.done }

// Err is why a part ended, after Done.
func (c *Cluster) Err() error {
	select {
	case <-c.done:
		return c.err
	default:
		return nil
	}
}

// watch waits for the first part that ends although nobody asked it to.
func (c *Cluster) watch(running context.Context) {
	var nodeDone <-chan struct{}
	if c.nodes != nil {
		nodeDone = c.nodes.done
	}
	select {
	case <-running.Done():
		return
	case <-c.controlPlane.Done():
		c.err = c.controlPlane.Err()
	case <-nodeDone:
		c.err = fmt.Errorf("the node ended: %w", c.nodes.err)
	}
	close(c.done)
}

// EndPods ends the pods of the cluster's node in order, as before its machine goes down, until ctx ends:
// what Stop leaves running is nothing then.
func (c *Cluster) EndPods(ctx context.Context) { c.nodes.endPods(ctx) }

// Stop ends the parts in order: the node, the runtime, the control plane. The data stays, and the
// containers go on running, unless the cluster is ephemeral: then neither does.
func (c *Cluster) Stop(ctx context.Context) error {
	c.stop.Do(func() {
		c.ending()
		c.stopErr = c.takeDown(ctx)
	})
	return c.stopErr
}

func (c *Cluster) takeDown(ctx context.Context) error {
	var t takingDown
	if c.nodes != nil {
		if c.options.Ephemeral && c.runtime != nil {
			t.part(ctx, func(ctx context.Context) error { return c.runtime.noteOwn(ctx, c.controlPlane.Admin()) })
		}
		t.part(ctx, c.nodes.stop)
	}
	if c.decisions != nil {
		if err := c.decisions.Close(); err != nil {
			t.note(fmt.Errorf("--record-decisions: %w", err))
		}
	}
	if c.network != nil {
		t.part(ctx, func(ctx context.Context) error { return c.network.stop(ctx, c.runtime, c.options.Ephemeral) })
	}
	if c.runtime != nil {
		t.note(c.runtime.stop(ctx, c.options.Ephemeral))
	}
	if c.nodes != nil && c.options.Ephemeral {
		t.note(c.nodes.clean())
	}
	if c.controlPlane != nil {
		t.part(ctx, c.controlPlane.Stop)
	}
	if c.folder != nil {
		t.note(c.folder.close())
	}
	return errors.Join(t.errs...)
}

// takingDown is the end of a cluster's parts, one after the other, whatever becomes of those before.
type takingDown struct{ errs []error }

// part gives a part the time that each has.
func (t *takingDown) part(ctx context.Context, stop func(context.Context) error) {
	ctx, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	t.note(stop(ctx))
}

func (t *takingDown) note(err error) { t.errs = append(t.errs, err) }

// oneAtATime lets parts that start side by side report.
func oneAtATime(step Step) Step {
	var mu sync.Mutex
	return func(name string, took time.Duration) {
		if step == nil {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		step(name, took)
	}
}
