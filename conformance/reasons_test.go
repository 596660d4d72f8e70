package conformance

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/kubernetes/pkg/security/apparmor"

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
	{"the node ends with it: TestGuards shows it", reason.Pod, []string{"Terminated", "NodeShutdown"}},
	{"the node knows itself, and can do all that it may be asked", reason.Pod, []string{
		"InvalidNodeInfo", "PodFeatureUnsupported", "PodLevelResourcesNotSupported", "SupplementalGroupsPolicyNotSupported"}},
	{"the node assigns no CPUs, memory or devices", reason.Pod, []string{"SMTAlignmentError", "TopologyAffinityError"}},
	{"v1.36's API server refuses what a node could never grant (admission plugin PodResize); it is left to static CPU policies and swap", reason.Condition, []string{"Infeasible"}},
	{"v1.36's API server refuses what a node could never grant (admission plugin PodResize); it is left to static CPU policies and swap", reason.Event, []string{"ResizeInfeasible"}},
	{"there are no disks and devices", reason.Pod, []string{"VolumeAttachmentLimitExceeded"}},
	{"there are no disks and devices", reason.Event, []string{"FailedAttachVolume", "FailedMapVolume"}},
	{"every report has a status of every container", reason.Condition, []string{"UnknownContainerStatuses"}},
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

// harmful are the examples that other pods would suffer from; each is shown by TestReasonsOfANode.
var harmful = []string{"TaintToleration.yaml", "NetworkPluginNotReady.yaml", "DockerDaemonNotReady.yaml", "Unknown.yaml"}

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
	{"--max-pods=1", []string{"Preempting.yaml", "OutOfpods.yaml"}},
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
	on := stageOn(t, runner.Kubeconfig, runner.Node)
	examples := byExample()
	for _, file := range slices.Concat(harmful, ofStatic) {
		delete(examples, file)
	}
	for _, node := range short {
		for _, file := range node.examples {
			delete(examples, file)
		}
	}
	if apparmor.NewValidator().ValidateHost() == nil {
		t.Log("AppArmor.yaml: this machine has AppArmor, and so cannot show that it is missing")
		delete(examples, "AppArmor.yaml")
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
	binary, mirror := given(t)
	p, err := launch.Up(t.Context(), binary, "--ephemeral", "--registry-mirror", mirror)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
	}()
	on := stageOn(t, p.Kubeconfig, p.Node)
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

	// The same by commands, which reach the node through its API server.
	for _, call := range []string{"NetworkNotReady", "RuntimeDown"} {
		podling(t, binary, "fault", "add", call, "--name", "state", "--kubeconfig", p.Kubeconfig)
		on.awaitNode(t, v1.ConditionFalse)
		podling(t, binary, "fault", "remove", "state", "--kubeconfig", p.Kubeconfig)
		on.awaitNode(t, v1.ConditionTrue)
	}

	pid := containerd(t, filepath.Dir(p.Kubeconfig))
	pause := func(context.Context, stage, string) error { return syscall.Kill(pid, syscall.SIGSTOP) }
	err = on.show(t.Context(), "DockerDaemonNotReady.yaml", examples["DockerDaemonNotReady.yaml"], once("dockerdaemonnotready", pause))
	if err := errors.Join(err, syscall.Kill(pid, syscall.SIGCONT)); err != nil {
		t.Error(err)
	}
	on.awaitNode(t, v1.ConditionTrue)

	lose := func(context.Context, stage, string) error {
		err := syscall.Kill(pid, syscall.SIGSTOP) // or it would see how the rest ends
		for _, shim := range shims(t, filepath.Dir(p.Kubeconfig)) {
			err = errors.Join(err, syscall.Kill(shim, syscall.SIGKILL))
		}
		return errors.Join(err, syscall.Kill(pid, syscall.SIGKILL))
	}
	if err := on.show(t.Context(), "Unknown.yaml", examples["Unknown.yaml"], once("unknown", lose)); err != nil {
		t.Error(err)
	}
}

// podling runs one of podling's commands to its end.
func podling(t *testing.T, binary string, args ...string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), binary, args...).CombinedOutput(); err != nil {
		t.Fatalf("podling %s: %v: %s", strings.Join(args, " "), err, out)
	}
}

// shims are the processes that mind the containers of the containerd in that folder.
func shims(t *testing.T, dir string) []int {
	t.Helper()
	commands, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	for _, file := range commands {
		raw, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		if words := strings.Split(string(raw), "\x00"); strings.HasSuffix(words[0], "containerd-shim-runc-v2") && strings.Contains(string(raw), dir+"/") {
			var pid int
			fmt.Sscanf(file, "/proc/%d/", &pid)
			pids = append(pids, pid)
		}
	}
	if len(pids) == 0 {
		t.Errorf("no container is minded in %s", dir)
	}
	return pids
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
