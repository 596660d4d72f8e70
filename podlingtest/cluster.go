package podlingtest

import (
	"context"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// patience is how long anything is waited for, if WithTimeout does not say otherwise.
const patience = 30 * time.Second

// Cluster is a cluster in the hands of a test: what its methods cannot do, or do not
// see in time, fails the test with the reason. Like t.Fatal they are for the test's
// own goroutine.
type Cluster struct {
	// Config reaches the API server as its administrator, without a limit of requests.
	Config *rest.Config
	// Client is one of Config.
	Client kubernetes.Interface
	// Kubeconfig is a file for programs that take one.
	Kubeconfig string

	// Sim says what simulated containers do.
	Sim *Profiles
	// Faults make calls to the container runtime fail, be slow or hang.
	Faults *Faults
	// Clock is what the nodes go by.
	Clock *Clock

	t       testing.TB
	env     *Environment
	since   int             // where in the record the test began
	shown   map[string]bool // the pods, NAMESPACE/NAME, and reasons that the log has told of
	timeout time.Duration
}

// Start brings a cluster up for the test, which ends with it.
//
// The program is the one that the variable PODLING_BIN names; or bin/podling, for
// tests in podling's own module; or the podling on PATH; or it is built, once, of the
// version of podling that the test's module requires, and kept in the user's cache.
func Start(t testing.TB, opts ...Option) *Cluster {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), buildPatience)
	defer cancel()
	e, err := Up(ctx, append([]Option{logTo(t.Logf)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	c := newCluster(t, e)
	t.Cleanup(func() {
		c.report()
		if err := e.Stop(); err != nil {
			t.Errorf("podlingtest: the cluster did not end well: %v", err)
		}
	})
	return c
}

func newCluster(t testing.TB, e *Environment) *Cluster {
	c := &Cluster{
		Config: rest.CopyConfig(e.Config), Client: e.Client, Kubeconfig: e.Kubeconfig,
		t: t, env: e, since: e.record.now(), shown: map[string]bool{}, timeout: patience,
	}
	c.Sim, c.Faults, c.Clock = &Profiles{c}, &Faults{c}, &Clock{c}
	return c
}

// WithTimeout gives the cluster to those who wait for more, or less, than half a
// minute; on the machine's clock, whatever the nodes go by.
func (c *Cluster) WithTimeout(d time.Duration) *Cluster {
	other := *c
	other.timeout = d
	other.Sim, other.Faults, other.Clock = &Profiles{&other}, &Faults{&other}, &Clock{&other}
	return &other
}

// Node is the name of a node of the cluster, the first.
func (c *Cluster) Node() string {
	c.t.Helper()
	if len(c.env.process.nodes) == 0 {
		c.t.Fatal(`podlingtest: this cluster has no node, so that nothing runs in it: leave Runtime("none") out`)
	}
	return c.env.process.nodes[0]
}

// Namespace makes a namespace of the test's own, in a cluster that it shares with
// others; pods can be made there at once. It is deleted when the test ends.
func (c *Cluster) Namespace() string {
	c.t.Helper()
	ctx, cancel := c.context()
	defer cancel()
	made, err := c.Client.CoreV1().Namespaces().Create(ctx, &v1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"}}, metav1.CreateOptions{})
	if err != nil {
		c.t.Fatalf("podlingtest: a namespace for the test: %v", err)
	}
	// A controller makes the account too, a moment later; pods are refused until it is there.
	account := &v1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "default"}}
	if _, err := c.Client.CoreV1().ServiceAccounts(made.Name).Create(ctx, account, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
		c.t.Fatalf("podlingtest: namespace %s: its service account: %v", made.Name, err)
	}
	c.t.Cleanup(func() {
		ctx, cancel := c.context()
		defer cancel()
		if err := c.Client.CoreV1().Namespaces().Delete(ctx, made.Name, metav1.DeleteOptions{}); err != nil && !c.over() {
			c.t.Errorf("podlingtest: the test's namespace: %v", err)
		}
	})
	return made.Name
}

// context is for one thing to be done. It outlives the test's own, which ends before
// what the test cleans up.
func (c *Cluster) context() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(c.t.Context()), c.timeout)
}

// over: podling has ended.
func (c *Cluster) over() bool {
	select {
	case <-c.env.process.done:
		return true
	default:
		return false
	}
}

// fail ends the test for an error; if podling has ended, that is the reason.
func (c *Cluster) fail(what string, err error) {
	c.t.Helper()
	if c.over() {
		c.t.Fatalf("podlingtest: %s: %v: %v", what, err, c.env.process.gone())
	}
	c.t.Fatalf("podlingtest: %s: %v", what, err)
}
