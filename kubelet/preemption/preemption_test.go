package preemption

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/go-logr/logr"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/record"
	"k8s.io/klog/v2"
	upstreamlifecycle "k8s.io/kubernetes/pkg/kubelet/lifecycle"
	upstream "k8s.io/kubernetes/pkg/kubelet/preemption"

	"github.com/podling/podling/lifecycle"
)

// TestVictimsLikeUpstream compares whom upstream's handler ends, in which order and with which words,
// or why it cannot, on nodes at random.
func TestVictimsLikeUpstream(t *testing.T) {
	lot := rand.New(rand.NewPCG(3, 3))
	several, none := 0, 0
	for range 20000 {
		critical := pod(lot, "critical", 2000000000)
		var pods []*v1.Pod
		for i := range lot.IntN(8) {
			pods = append(pods, pod(lot, fmt.Sprint("pod", i), []int32{0, 0, 5, 5, 2000000000, 2000001000}[lot.IntN(6)]))
		}
		var short []lifecycle.Shortage
		var reasons []upstreamlifecycle.PredicateFailureReason
		for _, name := range []v1.ResourceName{v1.ResourcePods, v1.ResourceCPU, v1.ResourceMemory, v1.ResourceEphemeralStorage} {
			s := lifecycle.Shortage{Resource: name, Asked: 1 + lot.Int64N(1000), Used: 100, Has: 100}
			switch {
			case name == v1.ResourcePods:
				s.Asked = 1
			case name != v1.ResourceCPU:
				s.Asked <<= 20
			}
			if lot.IntN(3) > 0 {
				continue
			}
			short = append(short, s)
			reasons = append(reasons, &upstreamlifecycle.InsufficientResourceError{ResourceName: s.Resource, Requested: s.Asked, Used: s.Used, Capacity: s.Has})
		}
		want, refused := theirs(t, critical, pods, reasons)
		victims, err := Victims(critical, pods, short)
		var got []string
		for _, v := range victims {
			e := Eviction(v)
			got = append(got, said(v, e.Grace, e.Reason, e.Message, *e.Condition))
		}
		if fmt.Sprint(err) != fmt.Sprint(refused) {
			t.Fatalf("%v\n%v, upstream: %v", short, err, refused)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%v\n    ours: %v\nupstream: %v", short, got, want)
		}
		if len(got) > 1 {
			several++
		}
		if err != nil {
			none++
		}
	}
	if several < 500 || none < 1000 {
		t.Errorf("%d times several pods, %d times not enough: that is one-sided", several, none)
	}
}

func theirs(t *testing.T, critical *v1.Pod, pods []*v1.Pod, reasons []upstreamlifecycle.PredicateFailureReason) (ended []string, err error) {
	kill := func(pod *v1.Pod, _ bool, grace *int64, change func(*v1.PodStatus)) error {
		s := v1.PodStatus{ObservedGeneration: pod.Generation}
		change(&s)
		if s.Phase != v1.PodFailed || len(s.Conditions) != 1 {
			t.Fatalf("upstream makes %+v of it", s)
		}
		ended = append(ended, said(pod, grace, s.Reason, s.Message, s.Conditions[0]))
		return nil
	}
	all := func() []*v1.Pod { return pods }
	handler := upstream.NewCriticalPodAdmissionHandler(all, kill, &record.FakeRecorder{})
	_, err = handler.HandleAdmissionFailure(klog.NewContext(t.Context(), logr.Discard()), critical, reasons)
	return ended, err
}

func said(pod *v1.Pod, grace *int64, reason, message string, c v1.PodCondition) string {
	return fmt.Sprint(pod.Name, " ", grace, " ", reason, " ", message, " ", c.Type, c.Status, c.Reason, " ", c.Message)
}

func pod(lot *rand.Rand, name string, priority int32) *v1.Pod {
	p := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(name)}, Spec: v1.PodSpec{Priority: &priority}}
	for i := range 1 + lot.IntN(2) {
		c := v1.Container{Name: fmt.Sprint("c", i)}
		switch lot.IntN(3) {
		case 0: // nothing asked for
		case 1:
			c.Resources.Requests = v1.ResourceList{v1.ResourceMemory: quantity(lot, 1<<20)}
			if lot.IntN(2) == 0 {
				c.Resources.Requests[v1.ResourceEphemeralStorage] = quantity(lot, 1<<20)
			}
		case 2:
			c.Resources.Requests = v1.ResourceList{v1.ResourceCPU: *resource.NewMilliQuantity(lot.Int64N(5)*300, resource.DecimalSI), v1.ResourceMemory: quantity(lot, 1<<20)}
			c.Resources.Limits = c.Resources.Requests
		}
		p.Spec.Containers = append(p.Spec.Containers, c)
	}
	if lot.IntN(10) == 0 {
		p.Annotations = map[string]string{"kubernetes.io/config.source": "file"}
	}
	return p
}

// quantity is one of a few sizes, so that some pods are alike.
func quantity(lot *rand.Rand, unit int64) resource.Quantity {
	return *resource.NewQuantity(lot.Int64N(6)*200*unit, resource.BinarySI)
}
