package lifecycle

import (
	"fmt"
	"slices"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
	"k8s.io/klog/v2"
	kubecontainer "k8s.io/kubernetes/pkg/kubelet/container"
	kuberuntime "k8s.io/kubernetes/pkg/kubelet/kuberuntime/util"
	upstream "k8s.io/kubernetes/pkg/kubelet/status"
)

// observed is what a node may see of a pod: any containers of it in any state, and
// a few sandboxes.
func (r random) observed(pod *v1.Pod) *Observed {
	o := &Observed{HostIPs: []string{"192.0.2.1"}}
	created := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range r.IntN(3) {
		box := Sandbox{ID: fmt.Sprint("box", i), Attempt: r.Uint32N(3), Ready: r.IntN(2) == 0, HostNetwork: r.IntN(8) == 0}
		if r.IntN(4) > 0 {
			box.IPs = []string{"10.0.0.1"}
		}
		o.Sandboxes = append(o.Sandboxes, box)
	}
	for _, list := range restartable(pod) {
		for _, c := range list {
			for range r.IntN(3) {
				created = created.Add(-time.Second)
				state := Container{
					ID: fmt.Sprint("rt://", c.Name, len(o.Containers)), Name: c.Name, State: chance(r, Created, Running, Exited, Unknown),
					SandboxID: fmt.Sprint("box", r.IntN(2)), CreatedAt: created, ExitCode: r.Int32N(4),
				}
				o.Containers = append(o.Containers, state)
			}
		}
	}
	return o
}

// theirs is the same in upstream's words.
func theirs(o *Observed) *kubecontainer.PodStatus {
	states := map[ContainerState]kubecontainer.State{
		Created: kubecontainer.ContainerStateCreated, Running: kubecontainer.ContainerStateRunning,
		Exited: kubecontainer.ContainerStateExited, Unknown: kubecontainer.ContainerStateUnknown,
	}
	status := &kubecontainer.PodStatus{}
	active := map[string]bool{}
	for i, s := range o.Sandboxes {
		box := &runtimeapi.PodSandboxStatus{Id: s.ID, State: runtimeapi.PodSandboxState_SANDBOX_NOTREADY,
			Metadata: &runtimeapi.PodSandboxMetadata{Attempt: s.Attempt}, Network: &runtimeapi.PodSandboxNetworkStatus{}}
		if s.Ready {
			box.State = runtimeapi.PodSandboxState_SANDBOX_READY
			active[s.ID] = i == 0
		}
		network := runtimeapi.NamespaceMode_POD
		if s.HostNetwork {
			network = runtimeapi.NamespaceMode_NODE
		}
		box.Linux = &runtimeapi.LinuxPodSandboxStatus{Namespaces: &runtimeapi.Namespace{Options: &runtimeapi.NamespaceOption{Network: network}}}
		if len(s.IPs) > 0 {
			box.Network.Ip = s.IPs[0]
		}
		status.SandboxStatuses = append(status.SandboxStatuses, box)
	}
	for _, c := range o.Containers {
		s := &kubecontainer.Status{ID: kubecontainer.ContainerID{Type: "rt", ID: bareID(c.ID)}, Name: c.Name, State: states[c.State],
			CreatedAt: c.CreatedAt, ExitCode: int(c.ExitCode), RestartCount: int(c.RestartCount)}
		status.ContainerStatuses = append(status.ContainerStatuses, s)
		if active[c.SandboxID] {
			status.ActiveContainerStatuses = append(status.ActiveContainerStatuses, s)
		}
	}
	return status
}

func bareID(id string) string { return id[len("rt://"):] }

func TestContainersAreUpstreams(t *testing.T) {
	each(t, func(t *testing.T, r random) {
		pod := r.pod()
		pod.Spec.HostNetwork = r.IntN(8) == 0
		seen := r.observed(pod)
		status := theirs(seen)
		describe := func() string { return fmt.Sprintf("of %+v, seen %+v", pod.Spec, seen) }

		for i := range pod.Spec.Containers {
			c := &pod.Spec.Containers[i]
			if got, want := shouldStart(pod, c, seen.newest(c.Name)), kubecontainer.ShouldContainerBeRestarted(klog.Background(), c, pod, status); got != want {
				t.Errorf("start of %s: %v, upstream %v, %s", c.Name, got, want, describe())
			}
		}
		needed, attempt, id := sandboxNeeded(pod, seen)
		if n, a, i := kuberuntime.PodSandboxChanged(pod, status); n != needed || a != attempt || i != id {
			t.Errorf("new sandbox: %v %d %q, upstream %v %d %q, %s", needed, attempt, id, n, a, i, describe())
		}
		if got, want := regularActive(pod, seen), kubecontainer.HasAnyActiveRegularContainerStarted(&pod.Spec, status); got != want {
			t.Errorf("a regular container was started: %v, upstream %v, %s", got, want, describe())
		}
		if got, want := allRemoved(pod, seen), kubecontainer.AllContainersRestartCleanedUp(pod, status); got != want {
			t.Errorf("all are removed: %v, upstream %v, %s", got, want, describe())
		}
	})
}

func TestRestartAllIsUpstreams(t *testing.T) {
	each(t, func(t *testing.T, r random) {
		pod := r.pod()
		for _, list := range restartable(pod) {
			for i := range list {
				for j := range list[i].RestartPolicyRules {
					list[i].RestartPolicyRules[j].Action = chance(r, v1.ContainerRestartRuleActionRestart, v1.ContainerRestartRuleActionRestartAllContainers)
				}
			}
		}
		if !couldRestartAll(pod) {
			return
		}
		seen := r.observed(pod)
		old := &v1.PodStatus{Conditions: []v1.PodCondition{{Type: v1.AllContainersRestarting, Status: chance(r, v1.ConditionTrue, v1.ConditionFalse)}}}
		phase := chance(r, v1.PodPending, v1.PodRunning, v1.PodSucceeded, v1.PodFailed)
		status := theirs(seen)
		// Upstream finds the newest of a name by its place.
		slices.SortStableFunc(status.ContainerStatuses, func(a, b *kubecontainer.Status) int { return b.CreatedAt.Compare(a.CreatedAt) })
		same(t, "AllContainersRestarting", restartAllCondition(pod, old, seen, phase)[0], upstream.GenerateAllContainersRestartingCondition(pod, status, old, phase))
	})
}
