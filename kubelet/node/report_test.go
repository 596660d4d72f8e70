package node_test

import (
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/podling/podling/kubelet/node"
)

// reportedWithin is how soon a change that the node is told of must be seen by others: the promise is
// 100 ms, the rest is for a machine that runs other tests.
const reportedWithin = time.Second

func TestRuntimeAway(t *testing.T) {
	r := run(t, "away", &fakeRuntime{}, nil)
	r.until("ready", ready(v1.ConditionTrue))
	r.state(node.State{})

	r.runtime.be(away, "")
	began := time.Now()
	r.node.RuntimeFailed(away)
	got := r.until("not ready", ready(v1.ConditionFalse))
	t.Logf("not ready after %v", time.Since(began).Round(time.Millisecond))
	if took := time.Since(began); took > reportedWithin {
		t.Errorf("reported after %v", took)
	}
	c := condition(got, v1.NodeReady)
	if c.Reason != "KubeletNotReady" || c.Message != "container runtime is down" {
		t.Errorf("condition: %+v", c)
	}
	if got.Status.NodeInfo.ContainerRuntimeVersion != "containerd://v2.4.2" {
		t.Errorf("the runtime's name is forgotten: %+v", got.Status.NodeInfo)
	}
	r.state(node.State{RuntimeError: "container runtime is down"})
	r.event("Normal NodeNotReady Node away status is now: NodeNotReady")

	// Nobody tells of the runtime's return.
	r.runtime.be(nil, "")
	began = time.Now()
	r.until("ready", ready(v1.ConditionTrue))
	if took := time.Since(began); took > reportedWithin {
		t.Errorf("its return is reported after %v", took)
	}
	r.state(node.State{})
	r.event("NodeReady")
}

func TestNetworkNotReady(t *testing.T) {
	r := run(t, "network", &fakeRuntime{network: "cni plugin not initialized"}, nil)
	const words = "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:cni plugin not initialized"
	got := r.until("there", func(*v1.Node) bool { return true })
	if c := condition(got, v1.NodeReady); c.Status != v1.ConditionFalse || c.Reason != "KubeletNotReady" || c.Message != words {
		t.Errorf("condition: %+v", c)
	}
	r.state(node.State{NetworkError: words})
	r.runtime.be(away, "")
	r.node.RuntimeFailed(away)
	r.until("down too", func(n *v1.Node) bool {
		return condition(n, v1.NodeReady).Message == "[container runtime is down, "+words+"]"
	})
	r.runtime.be(nil, "")
	r.until("ready", ready(v1.ConditionTrue))
	r.event("NodeReady")
}

// A runtime that is not there when the node starts.
func TestRuntimeLate(t *testing.T) {
	late := &fakeRuntime{err: away}
	r := run(t, "late", late, nil)
	r.until("not ready", ready(v1.ConditionFalse))
	late.be(nil, "")
	got := r.until("ready", ready(v1.ConditionTrue))
	if got.Status.NodeInfo.ContainerRuntimeVersion != "containerd://v2.4.2" {
		t.Errorf("the runtime's name: %+v", got.Status.NodeInfo)
	}
}

// What others do to the Node is seen: what is the node's own is put right, the rest is told of.
func TestOthersWrite(t *testing.T) {
	r := run(t, "others", &fakeRuntime{}, nil)
	r.until("ready", ready(v1.ConditionTrue))
	nodes := r.admin.CoreV1().Nodes()
	patch := `{"status":{"conditions":[{"type":"Ready","status":"Unknown","reason":"NodeStatusUnknown","message":"Kubelet stopped posting node status."}]}}`
	if _, err := nodes.Patch(t.Context(), "others", types.StrategicMergePatchType, []byte(patch), metav1.PatchOptions{}, "status"); err != nil {
		t.Fatal(err)
	}
	r.until("ready again", ready(v1.ConditionTrue))
	r.cordon("true")
	r.event("Normal NodeNotSchedulable Node others status is now: NodeNotSchedulable")
	r.cordon("false")
	r.event("Normal NodeSchedulable Node others status is now: NodeSchedulable")
}

func (r *running) cordon(unschedulable string) {
	r.Helper()
	patch := []byte(`{"spec":{"unschedulable":` + unschedulable + `}}`)
	if _, err := r.admin.CoreV1().Nodes().Patch(r.Context(), r.name, types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
		r.Fatal(err)
	}
}

// state waits for the node to tell its worker of that state, the next that it tells.
func (r *running) state(want node.State) {
	r.Helper()
	select {
	case got := <-r.states:
		if got != want {
			r.Errorf("told of %+v, want %+v", got, want)
		}
	case <-time.After(patience):
		r.Errorf("not told of %+v", want)
	}
}
