package conformance

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	v1 "k8s.io/api/core/v1"
)

// TestState shows what is kept of a pod: each input is a pod as the API server sends
// it, each output its state, a line a field, and then the detail of its containers.
func TestState(t *testing.T) {
	datadriven.RunTest(t, "testdata/state", func(t *testing.T, d *datadriven.TestData) string {
		var pod v1.Pod
		var whole struct {
			Status json.RawMessage `json:"status"`
		}
		for _, into := range []any{&pod, &whole} {
			if err := json.Unmarshal([]byte(d.Input), into); err != nil {
				t.Fatal(err)
			}
		}
		extras, err := extrasOf(whole.Status)
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		state := stateOf(&pod)
		for _, field := range slices.Sorted(maps.Keys(state)) {
			value, isMap := state[field].(map[string]any)
			if !isMap {
				fmt.Fprintf(&b, "%s: %s\n", field, show(state[field]))
				continue
			}
			fmt.Fprintf(&b, "%s:\n", field)
			for _, name := range slices.Sorted(maps.Keys(value)) {
				fmt.Fprintf(&b, "  %s: %s\n", name, value[name])
			}
		}
		for _, name := range slices.Sorted(maps.Keys(extras)) {
			fmt.Fprintf(&b, "extras of %s: %s\n", name, extras[name])
		}
		return b.String()
	})
}

// TestStateRoundTrip: a state made from a live pod equals the same read from a file.
func TestStateRoundTrip(t *testing.T) {
	five := int64(5)
	pod := &v1.Pod{Status: v1.PodStatus{
		Phase:             v1.PodRunning,
		PodIP:             "10.0.0.1",
		Conditions:        []v1.PodCondition{{Type: v1.PodReady, Status: v1.ConditionTrue}},
		ContainerStatuses: []v1.ContainerStatus{{Name: "main"}},
	}}
	pod.Generation, pod.Finalizers, pod.DeletionGracePeriodSeconds = 3, []string{"a/b"}, &five
	pod.DeletionTimestamp = pod.CreationTimestamp.DeepCopy()
	live := stateOf(pod)
	text, err := json.Marshal(live)
	if err != nil {
		t.Fatal(err)
	}
	var read map[string]any
	if err := json.Unmarshal(text, &read); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(map[string]any(live), read) {
		t.Errorf("live and read differ: %s", list(compare(map[string]any(live), read)))
	}
}
