package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/podling/podling/conformance/images"
	"github.com/podling/podling/conformance/launch"
	"github.com/podling/podling/lifecycle/reason"
)

// reasonLimit bounds the wait for one example; the slowest wait for a node that is
// lost after 50 s.
const reasonLimit = 4 * time.Minute

// notYet are the words that no example shows yet, and why. The list only shrinks.
var notYet = []struct {
	why   string
	kind  reason.Kind
	names []string
}{
	{"no component of v1.36 writes it", reason.Phase, []string{"Unknown"}},
	{"no component of v1.36 writes it", reason.Pod, []string{"NodeLost"}},
	{"the node does not preempt, nor mind the machine's shutdown", reason.Pod, []string{"Preempting", "Terminated", "NodeShutdown"}},
	{"the node does not preempt", reason.Event, []string{"Preempting"}},
	{"the node does not check this, or has nothing that would fail", reason.Pod, []string{
		"AppArmor", "InvalidNodeInfo", "PodFeatureUnsupported", "PodLevelResourcesNotSupported", "SMTAlignmentError",
		"SupplementalGroupsPolicyNotSupported", "TopologyAffinityError", "UnexpectedAdmissionError", "VolumeAttachmentLimitExceeded"}},
	{"the node does not resize running pods", reason.Condition, []string{"PodResizePending", "PodResizeInProgress", "Deferred", "Infeasible", "Error"}},
	{"the node does not resize running pods", reason.Event, []string{"ResizeStarted", "ResizeCompleted", "ResizeDeferred", "ResizeInfeasible", "ResizeError"}},
	{"the runtime cannot be told to fail so", reason.Event, []string{"FailedKillPod"}},
	{"the machine would have to be restarted", reason.Terminated, []string{"Unknown"}},
	{"the node says it in other words, or not at all", reason.Event, []string{
		"DNSConfigForming", "FailedCreatePodContainer", "FailedPodSandBoxStatus", "FailedSync", "LifecycleHTTPFallback"}},
	{"there are no disks and devices", reason.Event, []string{"FailedAttachVolume", "FailedMapVolume", "FailedPrepareDynamicResources"}},
	{"another component would have to fail inside", reason.Condition, []string{"SchedulerError", "UnknownContainerStatuses"}},
	{"another component would have to fail inside", reason.Event, []string{"NotDeleted"}},
}

// TestReasonsWithoutExample holds notYet to the data: what is on the list has no
// example, and what has none is on the list.
func TestReasonsWithoutExample(t *testing.T) {
	type word struct {
		kind reason.Kind
		name string
	}
	listed := map[word]bool{}
	for _, group := range notYet {
		for _, name := range group.names {
			listed[word{group.kind, name}] = true
		}
	}
	without := map[word]bool{}
	for _, r := range reason.All() {
		if w := (word{r.Kind, r.Name}); r.Example.File == "" {
			if without[w] = true; !listed[w] {
				t.Errorf("%s %s has no example: %s", r.Kind, r.Name, r.Example.How)
			}
		}
	}
	for w := range listed {
		if !without[w] {
			t.Errorf("%s %s has an example now, or no entry: take it off the list", w.kind, w.name)
		}
	}
}

// besides are the steps of the examples that need more than their manifest.
var besides = map[string]step{
	"EvictionByEvictionAPI.yaml": func(ctx context.Context, on stage, namespace string) error {
		return on.client.PolicyV1().Evictions(namespace).Evict(ctx, &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Name: "evictionbyevictionapi", Namespace: namespace}})
	},
	"NodeStatusUnknown.yaml": func(ctx context.Context, on stage, namespace string) error {
		ready := []byte(`{"status":{"conditions":[{"type":"Ready","status":"True"}]}}`)
		_, err := on.client.CoreV1().Pods(namespace).Patch(ctx, "nodestatusunknown", types.MergePatchType, ready, metav1.PatchOptions{}, "status")
		return err
	},
}

// harmful are the examples that other pods would suffer from; each is shown by TestReasonsOfANode.
var harmful = []string{"TaintToleration.yaml", "NetworkPluginNotReady.yaml", "DockerDaemonNotReady.yaml"}

// ofStatic are the examples that are not applied but lie in a folder of the node; TestStaticPods shows them.
var ofStatic = []string{"FailedValidation.yaml"}

// short are the examples of a node that has too little of something, or is told that it has, and how
// such a node is started; each is shown by TestReasonsOfAShortNode.
var short = []struct {
	flags    string
	examples []string
}{
	{"--eviction-hard=memory.available<1000Ti", []string{"KubeletHasInsufficientMemory.yaml", "TerminationByKubelet.yaml"}},
	{"--eviction-hard=nodefs.available<1000Ti", []string{"KubeletHasDiskPressure.yaml"}},
	{"--eviction-hard=pid.available<1G", []string{"KubeletHasInsufficientPID.yaml"}},
	{"--max-pods=1", []string{"OutOfpods.yaml"}},
}

// TestReasons shows every example on podling, side by side, each in a namespace of
// its own, until all the words are seen that it is said to show.
func TestReasons(t *testing.T) {
	binary, err := launch.Binary("..")
	if err != nil {
		t.Fatal(err)
	}
	runner, stop, err := Podling(t.Context(), binary)
	if err != nil {
		t.Fatal(err)
	}
	on := stage{client: clientFor(t, runner.Kubeconfig), node: runner.Node}
	examples := byExample()
	for _, file := range slices.Concat(harmful, ofStatic) {
		delete(examples, file)
	}
	for _, node := range short {
		for _, file := range node.examples {
			delete(examples, file)
		}
	}
	results := make(map[string]error, len(examples))
	var mu sync.Mutex
	var all sync.WaitGroup
	for file, words := range examples {
		all.Go(func() {
			err := on.show(t.Context(), file, words, besides[file])
			mu.Lock()
			defer mu.Unlock()
			results[file] = err
		})
	}
	all.Wait()
	for _, file := range slices.Sorted(maps.Keys(results)) {
		t.Run(file, func(t *testing.T) {
			if results[file] != nil {
				t.Error(results[file])
			}
		})
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// TestReasonsOfANode shows what only a node shows that something is wrong with.
func TestReasonsOfANode(t *testing.T) {
	binary, err := launch.Binary("..")
	if err != nil {
		t.Fatal(err)
	}
	registry, closeRegistry, err := images.Serve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer closeRegistry()
	p, err := launch.Up(t.Context(), binary, "--ephemeral", "--registry-mirror", registry.Mirror())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
	}()
	on := stage{client: clientFor(t, p.Kubeconfig), node: p.Node}
	examples := byExample()

	taint := func(taints string) {
		t.Helper()
		patch := []byte(`{"spec":{"taints":` + taints + `}}`)
		if _, err := on.client.CoreV1().Nodes().Patch(t.Context(), on.node, types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	taint(`[{"key":"example.com/closed","value":"true","effect":"NoExecute"}]`)
	if err := on.show(t.Context(), "TaintToleration.yaml", examples["TaintToleration.yaml"], nil); err != nil {
		t.Error(err)
	}
	taint(`null`)

	conf, err := filepath.Glob(filepath.Join(filepath.Dir(p.Kubeconfig), "containerd", "cni", "*.conflist"))
	if err != nil || len(conf) != 1 {
		t.Fatalf("the network's configuration: %v, %v", conf, err)
	}
	if err := os.Rename(conf[0], conf[0]+".away"); err != nil {
		t.Fatal(err)
	}
	on.awaitNode(t, v1.ConditionFalse)
	if err := on.show(t.Context(), "NetworkPluginNotReady.yaml", examples["NetworkPluginNotReady.yaml"], nil); err != nil {
		t.Error(err)
	}
	if err := os.Rename(conf[0]+".away", conf[0]); err != nil {
		t.Fatal(err)
	}
	on.awaitNode(t, v1.ConditionTrue)

	containerd := child(t, p.Pid, "containerd")
	pause := func(ctx context.Context, on stage, namespace string) error {
		err := await(ctx, on.client, namespace, "pods", reasonLimit, func(object []byte) (bool, error) {
			var pod v1.Pod
			err := json.Unmarshal(object, &pod)
			return pod.Status.Phase == v1.PodRunning, err
		})
		if err != nil {
			return err
		}
		return syscall.Kill(containerd, syscall.SIGSTOP)
	}
	err = on.show(t.Context(), "DockerDaemonNotReady.yaml", examples["DockerDaemonNotReady.yaml"], pause)
	if err := errors.Join(err, syscall.Kill(containerd, syscall.SIGCONT)); err != nil {
		t.Error(err)
	}
	on.awaitNode(t, v1.ConditionTrue)
}

// byExample are the words that each example is to show.
func byExample() map[string][]reason.Reason {
	out := map[string][]reason.Reason{}
	for _, r := range reason.All() {
		if r.Example.File != "" {
			out[r.Example.File] = append(out[r.Example.File], r)
		}
	}
	return out
}

func clientFor(t *testing.T, kubeconfig string) kubernetes.Interface {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	config.QPS = -1
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return client
}
