package conformance

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	v1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/util/jsonpath"
	"sigs.k8s.io/yaml"

	"github.com/podling/podling/conformance/images"
	"github.com/podling/podling/conformance/launch"
	"github.com/podling/podling/lifecycle/reason"
)

// reasonLimit bounds the wait for one example; the slowest wait for a node that is
// lost after 50 s.
const reasonLimit = 4 * time.Minute

// notYet are the words that no example shows yet, by kind; the entry of each says
// why. The list only shrinks.
var notYet = map[reason.Kind][]string{
	// No component of v1.36 writes these two.
	reason.Phase: {"Unknown"},
	reason.Pod: {"NodeLost",
		// The node does not evict, preempt, or mind the machine's shutdown.
		"Evicted", "Preempting", "Terminated", "NodeShutdown",
		// It does not check, or does not have, what these refuse a pod for.
		"AppArmor", "InvalidNodeInfo", "PodFeatureUnsupported", "PodLevelResourcesNotSupported", "SMTAlignmentError",
		"SupplementalGroupsPolicyNotSupported", "TopologyAffinityError", "UnexpectedAdmissionError", "VolumeAttachmentLimitExceeded",
		// It would have to be filled with 110 pods.
		"OutOfpods"},
	reason.Condition: {"TerminationByKubelet",
		// The node does not resize running pods.
		"PodResizePending", "PodResizeInProgress", "Deferred", "Infeasible", "Error",
		// It restarts one container, not all.
		"AllContainersRestarting", "RestartAllContainersStarted",
		// Faults inside of components.
		"SchedulerError", "UnknownContainerStatuses"},
	// Faults that no runtime can be told to have yet, and one that it needs CRI-O for.
	reason.Waiting: {"ImageInspectError", "PreStartHookError", "PreCreateHookError", "SignatureValidationFailed",
		"RestartingAllContainers"},
	reason.Terminated: {"RestartingAllContainers",
		// The machine would have to be restarted.
		"Unknown"},
	reason.Event: {"Evicted", "ExceededGracePeriod", "Preempting", "ResizeStarted",
		// The node says these in other words, or not at all.
		"DNSConfigForming", "FailedCreatePodContainer", "FailedPodSandBoxStatus", "FailedSync", "LifecycleHTTPFallback",
		// Disks and devices.
		"FailedAttachVolume", "FailedMapVolume", "FailedPrepareDynamicResources",
		// Faults inside of components.
		"FailedKillPod", "NotDeleted"},
	// The machine would have to run short of something.
	reason.Node: {"KubeletHasDiskPressure", "KubeletHasInsufficientMemory", "KubeletHasInsufficientPID"},
}

// TestReasonsWithoutExample holds notYet to the data.
func TestReasonsWithoutExample(t *testing.T) {
	left := map[reason.Kind]map[string]bool{}
	for kind, names := range notYet {
		left[kind] = map[string]bool{}
		for _, name := range names {
			left[kind][name] = true
		}
	}
	for _, r := range reason.All() {
		listed := left[r.Kind][r.Name]
		switch {
		case r.Example.File == "" && !listed:
			t.Errorf("%s %s has no example: %s", r.Kind, r.Name, r.Example.How)
		case r.Example.File != "" && listed && !withoutExample(r):
			t.Errorf("%s %s has an example now: take it off the list", r.Kind, r.Name)
		}
		if r.Example.File == "" {
			delete(left[r.Kind], r.Name)
		}
	}
	for kind, names := range left {
		for name := range names {
			t.Errorf("%s %s is on the list but in no entry without an example", kind, name)
		}
	}
}

// withoutExample: another entry of the same kind and name has none.
func withoutExample(r reason.Reason) bool {
	return slices.ContainsFunc(reason.All(), func(o reason.Reason) bool {
		return o.Kind == r.Kind && o.Name == r.Name && o.Example.File == ""
	})
}

// A stage is a cluster that examples are shown on.
type stage struct {
	client kubernetes.Interface
	node   string
}

// besides is what an example needs done once its objects are there.
var besides = map[string]func(ctx context.Context, on stage, namespace string) error{
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
	for _, file := range harmful {
		delete(examples, file)
	}
	results := make(map[string]error, len(examples))
	var mu sync.Mutex
	var all sync.WaitGroup
	for file, words := range examples {
		all.Go(func() {
			err := on.show(t.Context(), file, words)
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
	if err := on.show(t.Context(), "TaintToleration.yaml", examples["TaintToleration.yaml"]); err != nil {
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
	if err := on.show(t.Context(), "NetworkPluginNotReady.yaml", examples["NetworkPluginNotReady.yaml"]); err != nil {
		t.Error(err)
	}
	if err := os.Rename(conf[0]+".away", conf[0]); err != nil {
		t.Fatal(err)
	}
	on.awaitNode(t, v1.ConditionTrue)

	containerd := child(t, p.Pid, "containerd")
	besides["DockerDaemonNotReady.yaml"] = func(ctx context.Context, on stage, namespace string) error {
		err := await(ctx, on.client, namespace, "pods", reasonLimit, func(object []byte) (bool, error) {
			var pod v1.Pod
			return json.Unmarshal(object, &pod) == nil && pod.Status.Phase == v1.PodRunning, nil
		})
		if err != nil {
			return err
		}
		return syscall.Kill(containerd, syscall.SIGSTOP)
	}
	err = on.show(t.Context(), "DockerDaemonNotReady.yaml", examples["DockerDaemonNotReady.yaml"])
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

// awaitNode waits until the node's Ready is so.
func (on stage) awaitNode(t *testing.T, status v1.ConditionStatus) {
	t.Helper()
	err := await(t.Context(), on.client, "", "nodes", reasonLimit, func(object []byte) (bool, error) {
		var node v1.Node
		err := json.Unmarshal(object, &node)
		return node.Name == on.node && slices.ContainsFunc(node.Status.Conditions, func(c v1.NodeCondition) bool {
			return c.Type == v1.NodeReady && c.Status == status
		}), err
	})
	if err != nil {
		t.Fatalf("node %s with Ready %s: %v", on.node, status, err)
	}
}

// show applies an example and watches until all its words were seen.
func (on stage) show(ctx context.Context, file string, words []reason.Reason) error {
	text, err := os.ReadFile(filepath.Join("..", "examples", "reasons", file))
	if err != nil {
		return err
	}
	name := strings.ToLower(strings.TrimSuffix(file, ".yaml"))
	return inNamespace(ctx, on.client, name, func(namespace string) error {
		limited, cancel := context.WithTimeout(ctx, reasonLimit)
		defer cancel()
		watching, stop := context.WithCancel(limited) // ended as soon as all is seen, which may be while things are still being applied
		defer stop()
		missing := lookout{words: slices.Clone(words), saw: map[string]bool{}, all: stop}
		var watches errgroup.Group
		for _, resource := range missing.resources() {
			in := namespace
			if resource == "nodes" {
				in = ""
			}
			stream, err := open(watching, on.client, in, resource, "application/json")
			if err != nil {
				return err
			}
			watches.Go(func() error {
				return stream.each(watching, func(_ string, object []byte) error { return missing.see(resource, object) })
			})
		}
		err := on.apply(limited, namespace, bytes.ReplaceAll(text, []byte("nodeName: NODE"), []byte("nodeName: "+on.node)))
		if more := besides[file]; err == nil && more != nil {
			err = more(limited, on, namespace)
		}
		if err != nil {
			stop()
		}
		return errors.Join(err, watches.Wait(), missing.err())
	})
}

// paths are where the kinds of objects that examples consist of are created.
var paths = map[string]string{
	"Pod":                 "/api/v1/namespaces/%s/pods",
	"PodDisruptionBudget": "/apis/policy/v1/namespaces/%s/poddisruptionbudgets",
	"Node":                "/api/v1/nodes",
	"PriorityClass":       "/apis/scheduling.k8s.io/v1/priorityclasses",
}

// apply creates the objects of a manifest as they stand there; fields that do not exist are an error.
func (on stage) apply(ctx context.Context, namespace string, text []byte) error {
	documents := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		var object metav1.TypeMeta
		if err := errors.Join(err, yaml.Unmarshal(document, &object)); err != nil {
			return err
		}
		path, ok := paths[object.Kind]
		if !ok {
			return fmt.Errorf("no path for objects of kind %q", object.Kind)
		}
		if strings.Contains(path, "%s") {
			path = fmt.Sprintf(path, namespace)
		}
		err = on.client.CoreV1().RESTClient().Post().AbsPath(path).Param("fieldValidation", "Strict").
			SetHeader("Content-Type", "application/yaml").Body(document).Do(ctx).Error()
		if err != nil {
			return fmt.Errorf("%s: %w", object.Kind, err)
		}
	}
}

// A lookout waits for words to be seen.
type lookout struct {
	mu    sync.Mutex
	words []reason.Reason // not seen yet
	saw   map[string]bool // what was seen instead
	all   func()          // called when none is left
}

// resource is what has to be watched for words of that kind.
func resource(k reason.Kind) string {
	switch k {
	case reason.Event:
		return "events"
	case reason.Node:
		return "nodes"
	}
	return "pods"
}

func (l *lookout) resources() []string {
	var out []string
	for _, r := range l.words {
		if !slices.Contains(out, resource(r.Kind)) {
			out = append(out, resource(r.Kind))
		}
	}
	return out
}

// see looks at an object for the words that are still missing.
func (l *lookout) see(in string, object []byte) error {
	var content any
	if err := json.Unmarshal(object, &content); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	var left []reason.Reason
	for _, r := range l.words {
		if resource(r.Kind) != in {
			left = append(left, r)
			continue
		}
		values, err := at(content, r.Where)
		if err != nil {
			return fmt.Errorf("%s: %s: %w", r.Name, r.Where, err)
		}
		// Of a condition's type it is enough that it is there; a reason has to stand there as it is.
		if len(values) > 0 && strings.HasSuffix(r.Where, ".status") || slices.Contains(values, r.Name) {
			continue
		}
		for _, value := range values {
			l.saw[value] = true
		}
		left = append(left, r)
	}
	if l.words = left; len(left) == 0 {
		l.all()
	}
	return nil
}

// at are the values at a JSONPath.
func at(content any, where string) ([]string, error) {
	path := jsonpath.New("").AllowMissingKeys(true)
	if err := path.Parse("{." + where + "}"); err != nil {
		return nil, err
	}
	found, err := path.FindResults(content)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, set := range found {
		for _, value := range set {
			if text, ok := value.Interface().(string); ok {
				out = append(out, text)
			}
		}
	}
	return out, nil
}

// err names the words that were not seen.
func (l *lookout) err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var errs []error
	for _, r := range l.words {
		errs = append(errs, fmt.Errorf("%s %s was not seen at %s", r.Kind, r.Name, r.Where))
	}
	if len(errs) > 0 {
		errs = append(errs, fmt.Errorf("seen in such places: %v", slices.Sorted(maps.Keys(l.saw))))
	}
	return errors.Join(errs...)
}
