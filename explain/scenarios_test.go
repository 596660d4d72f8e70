package explain

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// scenario is a recording of upstream Kubernetes: statuses, without Events, logs and nodes.
type scenario struct {
	Pods map[string][]struct {
		T      float64      `json:"t"`
		Event  string       `json:"event"`
		Status v1.PodStatus `json:"status"`
	} `json:"pods"`
}

const scenarios = "../conformance/scenarios"

// What explain makes of the recordings of the conformance scenarios: of each pod's last state, and of the
// first in which a container waits with something worse than ContainerCreating.
func TestScenarios(t *testing.T) {
	seen := map[string]bool{}
	datadriven.RunTest(t, "testdata/scenarios.txt", func(t *testing.T, d *datadriven.TestData) string {
		seen[d.Cmd] = true
		return explained(t, d.Cmd)
	})
	recordings, err := filepath.Glob(filepath.Join(scenarios, "*", "recording.json"))
	if err != nil || len(recordings) < 50 {
		t.Fatalf("%d recordings: %v", len(recordings), err)
	}
	for _, r := range recordings {
		if name := filepath.Base(filepath.Dir(r)); !seen[name] {
			t.Errorf("testdata/scenarios.txt lacks %s", name)
		}
	}
}

func explained(t *testing.T, name string) string {
	text, err := os.ReadFile(filepath.Join(scenarios, name, "recording.json"))
	if err != nil {
		t.Fatal(err)
	}
	var s scenario
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for _, pod := range slices.Sorted(maps.Keys(s.Pods)) {
		w := World{Unseen: map[Part]string{}}
		for _, p := range []Part{PartEvents, PartLogs, PartNodes, PartPods, PartConfigMaps, PartSecrets, PartClaims} {
			w.Unseen[p] = ""
		}
		spec, known := specFor(t, name, pod)
		if !known {
			w.Unseen[PartSpec] = ""
		}
		told := map[string]bool{}
		steps := s.Pods[pod]
		for i, step := range steps {
			w.Gone = step.Event == "DELETED"
			w.Pod = &v1.Pod{Spec: spec, Status: step.Status}
			w.Pod.Name = pod
			if deleted := steps[len(steps)-1].Event == "DELETED"; deleted && ended(&step.Status) {
				w.Pod.DeletionTimestamp = &metav1.Time{Time: latest(&step.Status)} // recordings have no metadata
			}
			if conditionOf(w.Pod, v1.PodScheduled).Status == v1.ConditionTrue && spec.NodeName == "" {
				w.Pod.Spec.NodeName = "node"
			}
			w.Now = latest(&step.Status)
			w.Pod.CreationTimestamp.Time = w.Now
			e := Pod(w)
			w.Timeline = append(w.Timeline, Moment{Time: w.Now, Pod: w.Pod})
			bad := e.Health == Unhealthy || e.Health == Unclear
			if key := e.Cause + string(e.Health); (bad || i == len(steps)-1) && !told[key] {
				told[key] = true
				fmt.Fprintf(&out, "%s %s: %s\n", e.Health, e.Cause, e.Verdict)
			}
		}
	}
	return out.String()
}

// ended: no container of the pod runs, or is about to.
func ended(s *v1.PodStatus) bool {
	return len(s.ContainerStatuses) > 0 && !slices.ContainsFunc(s.ContainerStatuses, func(c v1.ContainerStatus) bool { return c.State.Terminated == nil })
}

// specFor is the pod's spec, of the scenario's manifest.
func specFor(t *testing.T, scenario, pod string) (v1.PodSpec, bool) {
	text, err := os.ReadFile(filepath.Join(scenarios, scenario, "pod.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, document := range bytes.Split(text, []byte("\n---")) {
		var p v1.Pod
		if err := yaml.Unmarshal(document, &p); err == nil && p.Kind == "Pod" && p.Name == pod {
			if p.Spec.RestartPolicy == "" {
				p.Spec.RestartPolicy = v1.RestartPolicyAlways
			}
			return p.Spec, true
		}
	}
	return v1.PodSpec{RestartPolicy: v1.RestartPolicyAlways}, false
}

// latest is the last moment that a status tells of.
func latest(s *v1.PodStatus) time.Time {
	var t time.Time
	later := func(other time.Time) {
		if other.After(t) {
			t = other
		}
	}
	for _, c := range s.Conditions {
		later(c.LastTransitionTime.Time)
	}
	for _, c := range slices.Concat(s.InitContainerStatuses, s.ContainerStatuses) {
		if r := c.State.Running; r != nil {
			later(r.StartedAt.Time)
		}
		for _, state := range []v1.ContainerState{c.State, c.LastTerminationState} {
			if e := state.Terminated; e != nil {
				later(e.FinishedAt.Time)
			}
		}
	}
	return t
}
