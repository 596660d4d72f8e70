package podlingtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

const (
	// startPatience is how long a cluster has to come up.
	startPatience = 90 * time.Second
	// buildPatience is how long it has if podling must be built first.
	buildPatience = 20 * time.Minute
)

// Environment is a cluster that is up and belongs to no test: For gives it to one.
type Environment struct {
	// Config reaches the API server as its administrator, without a limit of requests.
	Config *rest.Config
	// Client is one of Config.
	Client kubernetes.Interface
	// Kubeconfig is a file for programs that take one.
	Kubeconfig string

	process *process
	record  *record
	dir     string

	stop    sync.Once
	stopErr error
}

// Up brings a cluster up for several tests, as from TestMain or Ginkgo's BeforeSuite.
// ctx bounds the start alone. The cluster ends with Stop, or with this process.
func Up(ctx context.Context, opts ...Option) (*Environment, error) {
	o := &options{runtime: Sim, log: func(format string, args ...any) {
		fmt.Fprintf(os.Stderr, format+"\n", args...)
	}}
	for _, option := range opts {
		option(o)
	}
	e := &Environment{}
	if err := e.start(ctx, o); err != nil {
		return nil, errors.Join(fmt.Errorf("podlingtest: %w", err), e.Stop())
	}
	return e, nil
}

func (e *Environment) start(ctx context.Context, o *options) error {
	program := o.binary
	var err error
	if program == "" {
		if program, err = findBinary(ctx, o.log); err != nil {
			return err
		}
	}
	if e.dir, err = os.MkdirTemp("", "podlingtest-"); err != nil {
		return err
	}
	e.Kubeconfig = filepath.Join(e.dir, "kubeconfig")
	args, err := o.arguments(e.Kubeconfig, e.dir)
	if err != nil {
		return err
	}
	if e.process, err = startProcess(program, args); err != nil {
		return fmt.Errorf("start podling: %w", err)
	}
	starting, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	if err := e.process.waitUp(starting); err != nil {
		return errors.Join(fmt.Errorf("%s up: %w", program, err), e.discard())
	}
	if e.Config, err = clientcmd.BuildConfigFromFlags("", e.Kubeconfig); err != nil {
		return err
	}
	e.Config.QPS = -1 // the API server is the tests' own: nobody else is to be considered
	if e.Client, err = kubernetes.NewForConfig(e.Config); err != nil {
		return err
	}
	e.record, err = startRecord(ctx, e.Client)
	return err
}

// discard ends a process that did not come up, of which the reason is known already.
func (e *Environment) discard() error {
	p := e.process
	e.process = nil
	select {
	case <-p.done:
		return nil
	default:
		return p.stop()
	}
}

// For gives the cluster to a test: what goes wrong with what Cluster does fails this
// test, and when it has failed its log shows what became of the pods meanwhile. With
// Ginkgo t is GinkgoTB().
func (e *Environment) For(t testing.TB) *Cluster {
	t.Helper()
	c := newCluster(t, e)
	t.Cleanup(func() { c.report() })
	return c
}

// Stop ends the cluster and waits until nothing is left of it. The error says so if
// it had ended before.
func (e *Environment) Stop() error {
	e.stop.Do(func() {
		var errs []error
		if e.record != nil {
			e.record.stop()
		}
		if e.process != nil {
			if err := e.process.stop(); err != nil {
				errs = append(errs, fmt.Errorf("podling: %w", err))
			}
		}
		if e.dir != "" {
			errs = append(errs, os.RemoveAll(e.dir))
		}
		e.stopErr = errors.Join(errs...)
	})
	return e.stopErr
}
