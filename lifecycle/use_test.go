package lifecycle

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// TestUse: pods that come and go in any order leave what those have that stay.
func TestUse(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var pods []*v1.Pod
	for i := range 20 {
		c := v1.Container{Resources: v1.ResourceRequirements{Requests: v1.ResourceList{}}}
		for _, name := range []v1.ResourceName{v1.ResourceCPU, v1.ResourceMemory, "example.com/thing"} {
			if r.IntN(2) == 0 {
				c.Resources.Requests[name] = resource.MustParse(fmt.Sprint(r.IntN(5)))
			}
		}
		if r.IntN(2) == 0 {
			c.Ports = []v1.ContainerPort{{HostPort: int32(i / 2)}, {ContainerPort: 80}}
		}
		pods = append(pods, &v1.Pod{Spec: v1.PodSpec{Containers: []v1.Container{c}}})
	}
	for range 1000 {
		var use, want Use
		for _, i := range r.Perm(len(pods)) {
			use.Add(pods[i])
		}
		stay := r.IntN(len(pods))
		for i, n := range r.Perm(len(pods)) {
			switch {
			case i < stay:
				want.Add(pods[n])
			case i == len(pods)-1:
				use = use.Without(pods[n])
			default:
				use.Remove(pods[n])
			}
		}
		if got, want := shownUse(use), shownUse(want); !reflect.DeepEqual(got, want) {
			t.Fatalf("%v is left of %v", got, want)
		}
	}
}

// shownUse is a use without what it has nothing of, and without an order.
func shownUse(u Use) map[string]int64 {
	out := map[string]int64{"pods": int64(u.Pods)}
	for name, n := range u.asked {
		if n != 0 {
			out[string(name)] = n
		}
	}
	for _, p := range u.ports {
		out[fmt.Sprint("port ", p.HostPort)]++
	}
	return out
}
