package report

import (
	"encoding/json"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/strategicpatch"

	"github.com/podling/podling/lifecycle"
)

// TestPatch applies patches as the API server does: whatever the two statuses
// are, the one becomes the other, and what others wrote meanwhile stays.
func TestPatch(t *testing.T) {
	theirs := v1.PodCondition{Type: "example.com/gate", Status: v1.ConditionTrue, LastTransitionTime: metav1.NewTime(time.Unix(1e9, 0))}
	for seed := range uint64(3000) {
		r := rand.New(rand.NewPCG(seed, 3))
		old, want := randomStatus(r), randomStatus(r)
		patch, err := Patch("uid", &old, &want)
		if err != nil {
			t.Fatal(err)
		}
		server := v1.Pod{Status: old}
		server.Status.Conditions = append([]v1.PodCondition{theirs}, old.Conditions...)
		got := server
		if patch != nil {
			before, err := json.Marshal(server)
			if err != nil {
				t.Fatal(err)
			}
			after, err := strategicpatch.StrategicMergePatch(before, patch, v1.Pod{})
			if err != nil {
				t.Fatalf("seed %d: %v\n%s", seed, err, patch)
			}
			got = v1.Pod{}
			if err := json.Unmarshal(after, &got); err != nil {
				t.Fatal(err)
			}
		}
		gate := lifecycle.Condition(&got.Status, theirs.Type)
		if gate == nil || gate.Status != theirs.Status {
			t.Fatalf("seed %d: the gate's condition is %v after\n%s", seed, gate, patch)
		}
		ours := got.Status.DeepCopy()
		ours.Conditions = nil
		for _, c := range got.Status.Conditions {
			if c.Type != theirs.Type {
				ours.Conditions = append(ours.Conditions, c)
			}
		}
		if !equality.Semantic.DeepEqual(*ours, want) {
			t.Fatalf("seed %d: %s\nafter\n%s", seed, cmp.Diff(want, *ours), patch)
		}
	}
}

func TestPatchOfNothing(t *testing.T) {
	s := randomStatus(rand.New(rand.NewPCG(1, 1)))
	if patch, err := Patch("uid", &s, s.DeepCopy()); patch != nil || err != nil {
		t.Errorf("two statuses alike are patched with %s, %v", patch, err)
	}
}

func TestOlder(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{{"9", "10", true}, {"10", "9", false}, {"10", "10", false}, {"10", "11", true}, {"5", "", false}} {
		if got := older(c.a, c.b); got != c.want {
			t.Errorf("older(%q, %q) = %v", c.a, c.b, got)
		}
	}
}

func randomStatus(r *rand.Rand) v1.PodStatus {
	maybe := func() bool { return r.IntN(2) == 0 }
	at := metav1.NewTime(time.Unix(1e9+int64(r.IntN(3)), 0))
	s := v1.PodStatus{Phase: []v1.PodPhase{v1.PodPending, v1.PodRunning, v1.PodFailed}[r.IntN(3)], ObservedGeneration: int64(r.IntN(3))}
	if maybe() {
		s.Reason, s.Message = "Evicted", "the node needs room"
	}
	for _, t := range []v1.PodConditionType{v1.PodReadyToStartContainers, v1.PodReady, v1.PodResizeInProgress, v1.DisruptionTarget} {
		if t == v1.PodReady || t == v1.PodReadyToStartContainers || t == v1.PodResizeInProgress && maybe() {
			c := v1.PodCondition{Type: t, Status: []v1.ConditionStatus{v1.ConditionTrue, v1.ConditionFalse}[r.IntN(2)], LastTransitionTime: at, ObservedGeneration: 1}
			if maybe() {
				c.Reason = "R"
			}
			if maybe() {
				c.Message = "m"
			}
			s.Conditions = append(s.Conditions, c)
		}
	}
	for _, ip := range []string{"10.0.0.1", "10.0.0.2"} {
		if maybe() {
			s.PodIPs = append(s.PodIPs, v1.PodIP{IP: ip})
			s.PodIP = s.PodIPs[0].IP
		}
	}
	if maybe() {
		s.StartTime = &at
	}
	if maybe() {
		s.ContainerStatuses = []v1.ContainerStatus{{Name: "c", RestartCount: int32(r.IntN(3)), State: v1.ContainerState{Waiting: &v1.ContainerStateWaiting{Reason: "R"}}}}
		if maybe() {
			s.ContainerStatuses[0].State = v1.ContainerState{Running: &v1.ContainerStateRunning{StartedAt: at}}
		}
	}
	return s
}
