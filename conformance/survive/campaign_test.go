package survive

import (
	"slices"
	"strings"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
)

// TestTable: trials of one fault at one step are one row.
func TestTable(t *testing.T) {
	rows := Table([]Result{
		{Fault: "podling", Step: "added"}, {Fault: "podling", Step: "added", Problems: []string{"a", "b"}},
		{Fault: "shim", Step: "ready", Took: time.Second},
	})
	want := []Row{
		{Fault: "podling", Did: did("podling"), Step: "added", Times: 2, Wrong: 1},
		{Fault: "shim", Did: did("shim"), Step: "ready", Times: 1},
	}
	if !slices.Equal(rows, want) {
		t.Errorf("%+v\nwant %+v", rows, want)
	}
	if rows[0].Did == "" {
		t.Error("what was done is not said")
	}
}

// TestNames: a campaign says which of its names there is not, before it begins.
func TestNames(t *testing.T) {
	for want, c := range map[string]Campaign{
		`no fault "flood"`: {Faults: []string{"podling", "flood"}},
		`no step "lunch"`:  {Steps: []string{"ready", "lunch"}},
	} {
		if _, err := c.Run(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %s", err, want)
		}
	}
	for _, f := range Faults {
		for _, step := range f.steps {
			if _, err := StepNamed(step); err != nil {
				t.Errorf("fault %s: %v", f.Name, err)
			}
		}
	}
}

// TestSettled: what is not as it should be is said.
func TestSettled(t *testing.T) {
	ended := func(name string, code int32) v1.ContainerStatus {
		return v1.ContainerStatus{Name: name, State: v1.ContainerState{Terminated: &v1.ContainerStateTerminated{ExitCode: code, Reason: "Unknown"}}}
	}
	failed := func(statuses ...v1.ContainerStatus) *v1.Pod {
		return &v1.Pod{Status: v1.PodStatus{Phase: v1.PodFailed, ContainerStatuses: statuses}}
	}
	for _, c := range []struct {
		kind string
		pod  *v1.Pod
		want string
	}{
		{job, failed(ended("good", 0), ended("bad", 3)), ""},
		{job, failed(ended("good", 255), ended("bad", 3)), "container good is terminated Unknown exitCode=255, not ended with 0"},
		{job, &v1.Pod{}, "has not failed"},
		{plain, &v1.Pod{}, "is not Ready"},
		{crash, &v1.Pod{}, "is not in its back-off"},
		{hooks, nil, "is not in the API"},
	} {
		if got := settled(c.kind, c.pod); got != c.want {
			t.Errorf("%s: %q, want %q", c.kind, got, c.want)
		}
	}
	h := held{ready: map[string][]string{"p": {"1", "2"}, "q": {"3"}}, running: map[string][]string{"q/main": {"4"}}}
	if got := h.twice(); !slices.Equal(got, []string{"p is there 2 times"}) {
		t.Errorf("twice: %q", got)
	}
}
