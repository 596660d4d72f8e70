package controlplane

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// workers are the scheduler, the controllers and what lets nodes join: what works on the objects that the API server
// keeps, and ends before it does.
type workers struct {
	cancel      context.CancelFunc
	scheduler   <-chan struct{}
	controllers <-chan struct{}
	joining     <-chan struct{} // lets nodes join
}

// startWorkers starts both side by side, and begins to watch that no part ends by itself.
func (c *ControlPlane) startWorkers(ctx context.Context, cfg Config, step func(string) func()) error {
	tokenKey, err := c.pki.signingKey()
	if err != nil {
		return err
	}
	scheduler, err := c.worker("system:kube-scheduler")
	if err != nil {
		return err
	}
	// Upstream has each controller use a service account with its own rights. Here all of them are in
	// the process that holds the authority's key, so there is nothing to gain from forty more clients.
	manager, err := c.worker("system:kube-controller-manager", groupMasters)
	if err != nil {
		return err
	}
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	c.workers.cancel = cancel
	defer context.AfterFunc(ctx, cancel)() // the start was given up

	known, err := knowledge(manager)
	if err != nil {
		return err
	}
	schedulerReady, controllersReady := step("scheduler"), step("controllers")
	var startScheduler func() (<-chan struct{}, error)
	var startControllers func() <-chan struct{}
	var building errgroup.Group
	building.Go(func() (err error) {
		startScheduler, err = newScheduler(running, scheduler, known, cfg)
		return err
	})
	building.Go(func() (err error) {
		startControllers, err = newControllers(running, manager, known, c.pki, tokenKey, cfg.NodeMonitorGracePeriod)
		return err
	})
	if err := building.Wait(); err != nil {
		return err
	}
	c.workers.controllers = startControllers()
	controllersReady()
	if c.workers.joining, err = c.letNodesJoin(running, manager); err != nil {
		return err
	}
	if c.workers.scheduler, err = startScheduler(); err != nil {
		return err
	}
	schedulerReady()
	if err := ctx.Err(); err != nil {
		return err
	}
	go c.watch()
	return nil
}

// knowledge are the informers that scheduler and controllers share: one watch, and one copy of each
// object. They must not be started before all that uses them is built, as upstream's constructors
// expect; that is why the API server, which has long started its own, does not share them.
func knowledge(client *rest.Config) (informers.SharedInformerFactory, error) {
	typed, err := kubernetes.NewForConfig(rest.AddUserAgent(client, "shared-informers"))
	if err != nil {
		return nil, fmt.Errorf("client of the informers: %w", err)
	}
	return informers.NewSharedInformerFactoryWithOptions(typed, resync(), informers.WithTransform(DropManagedFields)), nil
}

// minResync is upstream's --min-resync-period.
const minResync = 12 * time.Hour

// resync is when all objects are looked at once more although nothing happened to them: at different
// times in different parts.
func resync() time.Duration { return time.Duration(float64(minResync) * (1 + rand.Float64())) }

// DropManagedFields is the transform of informers that spares their memory what nobody reads.
func DropManagedFields(obj any) (any, error) {
	if accessor, err := meta.Accessor(obj); err == nil && accessor.GetManagedFields() != nil {
		accessor.SetManagedFields(nil)
	}
	return obj, nil
}

// worker is a client for one of our own, by its certificate.
func (c *ControlPlane) worker(name string, groups ...string) (*rest.Config, error) {
	config, err := c.near(subject{commonName: name, groups: groups})
	if err != nil {
		return nil, fmt.Errorf("client for %s: %w", name, err)
	}
	return config, nil
}

// stop ends both and waits for them.
func (w *workers) stop(ctx context.Context) error {
	if w.cancel == nil {
		return nil
	}
	w.cancel()
	for name, done := range map[string]<-chan struct{}{"scheduler": w.scheduler, "controllers": w.controllers, "approver of nodes": w.joining} {
		if done == nil {
			continue
		}
		select {
		case <-done:
		case <-ctx.Done():
			return fmt.Errorf("stop the %s: %w", name, ctx.Err())
		}
	}
	return nil
}

// watch reports the first part that ends although nobody asked it to.
func (c *ControlPlane) watch() {
	var etcdErr <-chan error
	var etcdStopped <-chan struct{}
	if c.etcd != nil {
		etcdErr, etcdStopped = c.etcd.server.Err(), c.etcd.server.Server.StopNotify()
	}
	select {
	case err := <-etcdErr:
		c.failure.report(fmt.Errorf("etcd ended: %w", err))
	case <-etcdStopped:
		c.failure.report(errors.New("etcd ended"))
	case <-c.apiServer.done:
		c.failure.report(fmt.Errorf("the API server ended: %w", c.apiServer.err))
	case <-c.workers.scheduler:
		c.failure.report(errors.New("the scheduler ended"))
	case <-c.workers.controllers:
		c.failure.report(errors.New("the controllers ended"))
	}
}
