package lifecycle

import (
	"fmt"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// BenchmarkDecide asks about a pod that runs and to which nothing happens.
func BenchmarkDecide(b *testing.B) {
	for _, n := range []int{1, 20} {
		b.Run(fmt.Sprintf("containers=%d", n), func(b *testing.B) {
			now := time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)
			pod := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p", Namespace: "ns", UID: "u", Generation: 1}, Spec: v1.PodSpec{RestartPolicy: v1.RestartPolicyAlways}}
			seen := Observed{HostIPs: []string{"192.0.2.1"}, Volumes: Volumes{Mounted: true}, Sandboxes: []Sandbox{{ID: "box", Ready: true, IPs: []string{"10.0.0.9"}}}}
			for i := range n {
				c := v1.Container{Name: fmt.Sprintf("c%02d", i), Image: "busybox"}
				pod.Spec.Containers = append(pod.Spec.Containers, c)
				seen.Containers = append(seen.Containers, Container{ID: "rt://" + c.Name, Name: c.Name, SandboxID: "box", State: Running, Hash: Hash(&c), StartedAt: now})
			}
			first := Decide(pod, seen, now)
			seen.Reported = &first.Status
			b.ReportAllocs()
			for b.Loop() {
				Decide(pod, seen, now)
			}
		})
	}
}
