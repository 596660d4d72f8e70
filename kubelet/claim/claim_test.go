package claim

import (
	"testing"

	v1 "k8s.io/api/core/v1"
	resourcev1 "k8s.io/api/resource/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
)

// Each case is one that upstream's manager tells apart, with its words.
func TestPrepare(t *testing.T) {
	name, template := "gpu", "many"
	pod := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "p", UID: "u"}}
	reserved := []resourcev1.ResourceClaimConsumerReference{{Resource: "pods", Name: "p", UID: "u"}}
	allocated := func(driver string) *resourcev1.AllocationResult {
		return &resourcev1.AllocationResult{Devices: resourcev1.DeviceAllocationResult{Results: []resourcev1.DeviceRequestAllocationResult{{Driver: driver}}}}
	}
	for what, test := range map[string]struct {
		claim  *v1.PodResourceClaim
		status *resourcev1.ResourceClaimStatus // nil: there is no such object
		want   string
	}{
		"no claim":         {nil, nil, ""},
		"no object":        {&v1.PodResourceClaim{Name: "x", ResourceClaimName: &name}, nil, `prepare dynamic resources: fetch ResourceClaim gpu: resourceclaims.resource.k8s.io "gpu" not found`},
		"none made yet":    {&v1.PodResourceClaim{Name: "x", ResourceClaimTemplateName: &template}, nil, `prepare dynamic resources: pod "ns/p": ResourceClaim not created yet`},
		"somebody else's":  {&v1.PodResourceClaim{Name: "x", ResourceClaimName: &name}, &resourcev1.ResourceClaimStatus{}, "prepare dynamic resources: pod p (u) is not allowed to use ResourceClaim gpu (c)"},
		"not allocated":    {&v1.PodResourceClaim{Name: "x", ResourceClaimName: &name}, &resourcev1.ResourceClaimStatus{ReservedFor: reserved}, "prepare dynamic resources: ResourceClaim gpu: not allocated"},
		"without a driver": {&v1.PodResourceClaim{Name: "x", ResourceClaimName: &name}, &resourcev1.ResourceClaimStatus{ReservedFor: reserved, Allocation: allocated("d.example")}, "prepare dynamic resources: DRA driver d.example is not registered"},
	} {
		pod.Spec.ResourceClaims = nil
		if test.claim != nil {
			pod.Spec.ResourceClaims = []v1.PodResourceClaim{*test.claim}
		}
		var objects []runtime.Object
		if test.status != nil {
			objects = append(objects, &resourcev1.ResourceClaim{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name, UID: "c"}, Status: *test.status})
		}
		err := New(fake.NewClientset(objects...)).Prepare(t.Context(), pod)
		if got := said(err); got != test.want {
			t.Errorf("%s: %s\nwant %s", what, got, test.want)
		}
	}
}

func said(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
