package node_test

import (
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/podling/podling/kubelet/node"
)

// A node is Ready from its first write on, and soon without the taint that admission gave it.
func TestRegister(t *testing.T) {
	images := []*runtimeapi.Image{{Id: "1", Size: 10, RepoTags: []string{"small"}}, {Id: "2", Size: 20, RepoTags: []string{"large"}, RepoDigests: []string{"large@sha256:2"}}}
	r := run(t, "register", &fakeRuntime{images: images}, func(c *node.Config) {
		c.Labels = map[string]string{"podling.dev/test": "yes"}
		c.Reserved = func(v1.ResourceList) v1.ResourceList {
			return v1.ResourceList{v1.ResourceEphemeralStorage: *resource.NewQuantity(1000, resource.BinarySI)}
		}
		c.IPs = append(c.IPs, net.ParseIP("::1"))
	})
	got := r.until("there", func(*v1.Node) bool { return true })
	t.Logf("there after %v", time.Since(r.began).Round(time.Millisecond))
	if condition(got, v1.NodeReady).Status != v1.ConditionTrue {
		t.Errorf("the first that is seen of the node is not that it is ready: %+v", got.Status.Conditions)
	}
	untainted := r.until("without taints", func(n *v1.Node) bool { return len(n.Spec.Taints) == 0 })
	t.Logf("without taints after %v", time.Since(r.began).Round(time.Millisecond))
	for _, write := range untainted.ManagedFields {
		if write.Subresource == "status" {
			t.Errorf("the status was written once more after the node was created: %s", write.FieldsV1)
		}
	}

	for kind, want := range map[v1.NodeConditionType]v1.NodeCondition{
		v1.NodeReady:          {Status: "True", Reason: "KubeletReady", Message: "kubelet is posting ready status"},
		v1.NodeMemoryPressure: {Status: "False", Reason: "KubeletHasSufficientMemory", Message: "kubelet has sufficient memory available"},
		v1.NodeDiskPressure:   {Status: "False", Reason: "KubeletHasNoDiskPressure", Message: "kubelet has no disk pressure"},
		v1.NodePIDPressure:    {Status: "False", Reason: "KubeletHasSufficientPID", Message: "kubelet has sufficient PID available"},
	} {
		c := condition(got, kind)
		if c.Status != want.Status || c.Reason != want.Reason || c.Message != want.Message || c.LastHeartbeatTime.IsZero() || c.LastTransitionTime.IsZero() {
			t.Errorf("%s: %+v", kind, c)
		}
	}
	if last := got.Status.Conditions[len(got.Status.Conditions)-1]; last.Type != v1.NodeReady {
		t.Errorf("the last condition is %s", last.Type)
	}
	for label, want := range map[string]string{
		v1.LabelHostname: "register", v1.LabelOSStable: runtime.GOOS, v1.LabelArchStable: runtime.GOARCH,
		"beta.kubernetes.io/os": runtime.GOOS, "beta.kubernetes.io/arch": runtime.GOARCH, "podling.dev/test": "yes",
	} {
		if got.Labels[label] != want {
			t.Errorf("label %s: %q", label, got.Labels[label])
		}
	}
	wantAddresses := []v1.NodeAddress{{Type: v1.NodeInternalIP, Address: "127.0.0.1"}, {Type: v1.NodeInternalIP, Address: "::1"}, {Type: v1.NodeHostName, Address: "register"}}
	if !slices.Equal(got.Status.Addresses, wantAddresses) {
		t.Errorf("addresses: %v", got.Status.Addresses)
	}
	if len(got.Status.Images) != 2 || !slices.Equal(got.Status.Images[0].Names, []string{"large@sha256:2", "large"}) || got.Status.Images[1].SizeBytes != 10 {
		t.Errorf("images: %v", got.Status.Images)
	}
	if h := got.Status.RuntimeHandlers; len(h) != 2 || h[0].Name != "" || h[1].Name != "runc" || !*h[1].Features.RecursiveReadOnlyMounts || *h[1].Features.UserNamespaces {
		t.Errorf("runtime handlers: %v", h)
	}
	if f := got.Status.Features; f == nil || !*f.SupplementalGroupsPolicy {
		t.Errorf("features: %v", f)
	}
	if port := got.Status.DaemonEndpoints.KubeletEndpoint.Port; port != 12345 {
		t.Errorf("port: %d", port)
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		t.Fatal(err)
	}
	info := got.Status.NodeInfo
	if info.ContainerRuntimeVersion != "containerd://v2.4.2" || info.KubeletVersion != "v1.36.3+podling" || info.BootID != strings.TrimSpace(string(boot)) || info.KernelVersion == "" || info.OSImage == "" {
		t.Errorf("node info: %+v", info)
	}
	capacity, allocatable := got.Status.Capacity, got.Status.Allocatable
	if capacity.Pods().Value() != 110 || capacity.Cpu().Value() < 1 || capacity.StorageEphemeral().Value() != allocatable.StorageEphemeral().Value()+1000 {
		t.Errorf("capacity: %v, allocatable: %v", capacity, allocatable)
	}
	for _, event := range []string{"Normal Starting Starting kubelet.", "NodeHasSufficientMemory", "Normal NodeReady Node register status is now: NodeReady"} {
		r.event(event)
	}
	if s := <-r.states; s != (node.State{}) {
		t.Errorf("state: %+v", s)
	}
}

func TestLease(t *testing.T) {
	r := run(t, "lease", &fakeRuntime{}, nil)
	w, err := r.admin.CoordinationV1().Leases(v1.NamespaceNodeLease).Watch(t.Context(), metav1.ListOptions{FieldSelector: "metadata.name=lease"})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	deadline := time.After(patience)
	var first *coordinationv1.Lease
	for {
		select {
		case event := <-w.ResultChan():
			lease, ok := event.Object.(*coordinationv1.Lease)
			if !ok {
				t.Fatalf("watch of the lease: %+v", event)
			}
			if first == nil {
				first = lease
				if *lease.Spec.HolderIdentity != "lease" || *lease.Spec.LeaseDurationSeconds != 40 {
					t.Errorf("lease: %+v", lease.Spec)
				}
				if len(lease.OwnerReferences) != 1 || lease.OwnerReferences[0].Kind != "Node" || lease.OwnerReferences[0].UID != r.node.Object().UID {
					t.Errorf("owner: %+v", lease.OwnerReferences)
				}
				continue
			}
			if after := lease.Spec.RenewTime.Sub(first.Spec.RenewTime.Time); after < 9*time.Second || after > 12*time.Second {
				t.Errorf("renewed after %v", after)
			}
			return
		case <-deadline:
			t.Fatalf("the lease is not renewed: %v", first)
		}
	}
}

// A node that is there already is taken over: what is this node's is renewed, what is others' stays.
func TestTakeOver(t *testing.T) {
	r := run(t, "takeover", &fakeRuntime{}, nil)
	r.until("ready", ready(v1.ConditionTrue))
	r.stop()
	patch := `{"metadata":{"labels":{"kubernetes.io/os":"plan9","mine":"yes"}},"spec":{"unschedulable":true}}`
	if _, err := r.admin.CoreV1().Nodes().Patch(t.Context(), "takeover", types.StrategicMergePatchType, []byte(patch), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	patch = `{"status":{"capacity":{"hugepages-3Mi":"3Mi","example.com/gpu":"2"},"nodeInfo":{"bootID":"another"},
		"addresses":[{"type":"InternalIP","address":"10.9.9.9"},{"$patch":"replace"}],
		"conditions":[{"type":"Ready","status":"Unknown","reason":"NodeStatusUnknown"},{"type":"Custom","status":"True"}]}}`
	if _, err := r.admin.CoreV1().Nodes().Patch(t.Context(), "takeover", types.StrategicMergePatchType, []byte(patch), metav1.PatchOptions{}, "status"); err != nil {
		t.Fatal(err)
	}
	again := run(t, "takeover", &fakeRuntime{}, nil)
	got := again.until("ready again", ready(v1.ConditionTrue))
	if got.Labels[v1.LabelOSStable] != runtime.GOOS || got.Labels["mine"] != "yes" {
		t.Errorf("labels: %v", got.Labels)
	}
	if _, stale := got.Status.Capacity["hugepages-3Mi"]; stale {
		t.Errorf("capacity still has pages that the machine has not: %v", got.Status.Capacity)
	}
	if gpu := got.Status.Capacity["example.com/gpu"]; gpu.Value() != 2 {
		t.Errorf("capacity has lost what another put there: %v", got.Status.Capacity)
	}
	if condition(got, "Custom").Status != v1.ConditionTrue {
		t.Errorf("conditions have lost another's: %v", got.Status.Conditions)
	}
	if got.Status.Addresses[0].Address != "127.0.0.1" || len(got.Status.Addresses) != 2 {
		t.Errorf("addresses: %v", got.Status.Addresses)
	}
	again.event("NodeReady")
	again.event("Warning Rebooted Node takeover has been rebooted, boot id: ")
}
