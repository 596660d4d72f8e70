package lifecycle

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/flowcontrol"
	resourcehelper "k8s.io/component-helpers/resource"
	podutil "k8s.io/kubernetes/pkg/api/v1/pod"
	upstream "k8s.io/kubernetes/pkg/kubelet/status"
	testclock "k8s.io/utils/clock/testing"
)

// rounds is how many random pods each rule is held to upstream's on.
const rounds = 100_000

// random makes pods and statuses, the unlikely ones included.
type random struct{ *rand.Rand }

func chance[T any](r random, of ...T) T { return of[r.IntN(len(of))] }

func (r random) pod() *v1.Pod {
	pod := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p", Namespace: "ns", Generation: int64(1 + r.IntN(3))}}
	pod.Spec.RestartPolicy = chance(r, v1.RestartPolicyAlways, v1.RestartPolicyOnFailure, v1.RestartPolicyNever)
	for i := range r.IntN(3) {
		c := r.container(fmt.Sprint("i", i))
		if r.IntN(2) == 0 {
			always := v1.ContainerRestartPolicyAlways
			c.RestartPolicy, c.RestartPolicyRules = &always, nil
		}
		pod.Spec.InitContainers = append(pod.Spec.InitContainers, c)
	}
	for i := range 1 + r.IntN(3) {
		pod.Spec.Containers = append(pod.Spec.Containers, r.container(fmt.Sprint("c", i)))
	}
	for i := range r.IntN(3) {
		pod.Spec.ReadinessGates = append(pod.Spec.ReadinessGates, v1.PodReadinessGate{ConditionType: v1.PodConditionType(fmt.Sprint("example.com/g", i))})
		if r.IntN(2) == 0 {
			pod.Status.Conditions = append(pod.Status.Conditions, v1.PodCondition{
				Type: v1.PodConditionType(fmt.Sprint("example.com/g", i)), Status: chance(r, v1.ConditionTrue, v1.ConditionFalse, v1.ConditionUnknown)})
		}
	}
	if r.IntN(4) == 0 {
		pod.Spec.Overhead = r.resources()
	}
	if r.IntN(4) == 0 {
		pod.Spec.Resources = &v1.ResourceRequirements{Requests: r.resources(), Limits: r.resources()}
	}
	return pod
}

func (r random) container(name string) v1.Container {
	c := v1.Container{Name: name, Resources: v1.ResourceRequirements{Requests: r.resources(), Limits: r.resources()}}
	if r.IntN(3) == 0 {
		policy := chance(r, v1.ContainerRestartPolicyAlways, v1.ContainerRestartPolicyOnFailure, v1.ContainerRestartPolicyNever)
		c.RestartPolicy = &policy
		for range r.IntN(3) {
			c.RestartPolicyRules = append(c.RestartPolicyRules, v1.ContainerRestartRule{
				Action: v1.ContainerRestartRuleActionRestart,
				ExitCodes: &v1.ContainerRestartRuleOnExitCodes{
					Operator: chance(r, v1.ContainerRestartRuleOnExitCodesOpIn, v1.ContainerRestartRuleOnExitCodesOpNotIn),
					Values:   []int32{r.Int32N(4), r.Int32N(4)}},
			})
		}
	}
	return c
}

func (r random) resources() v1.ResourceList {
	out := v1.ResourceList{}
	for _, name := range []v1.ResourceName{v1.ResourceCPU, v1.ResourceMemory} {
		if r.IntN(2) == 0 {
			out[name] = *resource.NewMilliQuantity(int64(r.IntN(5)*500), resource.DecimalSI)
		}
	}
	return out
}

func (r random) statuses(pod *v1.Pod) []v1.ContainerStatus {
	var out []v1.ContainerStatus
	for _, list := range [][]v1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for _, c := range list {
			if r.IntN(8) == 0 {
				continue // nothing is known of it
			}
			started := r.IntN(2) == 0
			s := v1.ContainerStatus{Name: c.Name, Ready: r.IntN(2) == 0, Started: chance(r, nil, &started)}
			end := &v1.ContainerStateTerminated{ExitCode: r.Int32N(3)}
			switch r.IntN(4) {
			case 0:
				s.State.Running = &v1.ContainerStateRunning{}
			case 1:
				s.State.Terminated = end
			case 2:
				s.State.Waiting = &v1.ContainerStateWaiting{}
				s.LastTerminationState.Terminated = end
			case 3:
				s.State.Waiting = &v1.ContainerStateWaiting{}
			}
			out = append(out, s)
		}
	}
	return out
}

// each calls check with random pods, and stops at the first that fails.
func each(t *testing.T, check func(t *testing.T, r random)) {
	t.Helper()
	for seed := range uint64(rounds) {
		check(t, random{rand.New(rand.NewPCG(seed, 1))})
		if t.Failed() {
			t.Fatalf("at seed %d", seed)
		}
	}
}

func TestConditionsAreUpstreams(t *testing.T) {
	each(t, func(t *testing.T, r random) {
		pod := r.pod()
		statuses := r.statuses(pod)
		phase := chance(r, v1.PodPending, v1.PodRunning, v1.PodSucceeded, v1.PodFailed)
		old := &v1.PodStatus{}
		if r.IntN(2) == 0 {
			old.Conditions = []v1.PodCondition{{Type: v1.PodInitialized, Status: chance(r, v1.ConditionTrue, v1.ConditionFalse)}}
		}
		ready := containersReady(pod, statuses, phase)
		same(t, "ContainersReady", ready, upstream.GenerateContainersReadyCondition(pod, old, statuses, phase))
		same(t, "Ready", podReady(pod, ready, pod.Status.Conditions), upstream.GeneratePodReadyCondition(pod, old, pod.Status.Conditions, statuses, phase))
		same(t, "Initialized", initialized(pod, old, statuses, phase), upstream.GeneratePodInitializedCondition(pod, old, statuses, phase))
	})
}

func same(t *testing.T, what string, got, want v1.PodCondition) {
	t.Helper()
	want.ObservedGeneration = 0 // put in for all conditions in one place
	if got != want {
		t.Errorf("%s: %s", what, cmp.Diff(want, got))
	}
}

func TestRestartsAreUpstreams(t *testing.T) {
	each(t, func(t *testing.T, r random) {
		pod := r.pod()
		c, code := &pod.Spec.Containers[0], r.Int32N(4)
		if got, want := shouldRestart(pod, c, code), podutil.ContainerShouldRestart(*c, pod.Spec, code); got != want {
			t.Errorf("restart of %+v after exit code %d: %v, upstream %v", c, code, got, want)
		}
	})
}

func TestResourcesAreUpstreams(t *testing.T) {
	each(t, func(t *testing.T, r random) {
		pod := r.pod()
		for what, pair := range map[string][2]v1.ResourceList{
			"requests": {requests(pod), resourcehelper.PodRequests(pod, resourcehelper.PodResourcesOptions{})},
			"limits":   {limits(pod), resourcehelper.PodLimits(pod, resourcehelper.PodResourcesOptions{})},
		} {
			if got, want := pair[0], pair[1]; !equality.Semantic.DeepEqual(got, want) && len(got)+len(want) > 0 {
				t.Errorf("%s: %v, upstream %v, of %+v", what, got, want, pod.Spec)
			}
		}
	})
}

func TestBackoffIsUpstreams(t *testing.T) {
	each(t, func(t *testing.T, r random) {
		clock := testclock.NewFakeClock(time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC))
		theirs := flowcontrol.NewBackOff(InitialBackoff, MaxBackoff)
		theirs.Clock = clock
		var mine Backoff
		for range 8 {
			clock.Step(time.Duration(r.IntN(900)) * time.Second)
			end := clock.Now()
			clock.Step(time.Duration(r.IntN(30)) * time.Second)
			_, in := mine.Until("image", end, clock.Now())
			if want := theirs.IsInBackOffSince("k", end); in != want {
				t.Errorf("in back-off: %v, upstream %v", in, want)
			}
			if !in {
				mine = mine.Next("image", end, clock.Now())
				theirs.Next("k", end)
				if mine.Delay != theirs.Get("k") {
					t.Errorf("back-off %v, upstream %v", mine.Delay, theirs.Get("k"))
				}
			}
		}
	})
}
