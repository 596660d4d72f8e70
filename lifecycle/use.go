package lifecycle

import (
	"maps"
	"slices"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// Use is what pods have of a node.
type Use struct {
	Pods  int
	asked map[v1.ResourceName]int64 // see amount
	ports []v1.ContainerPort        // of the host
}

// Add counts a pod in.
func (u *Use) Add(pod *v1.Pod) {
	u.Pods++
	u.count(pod, 1)
	u.ports = append(u.ports, hostPorts(pod)...)
}

// Remove takes a pod out that was added as it is.
func (u *Use) Remove(pod *v1.Pod) {
	u.Pods--
	u.count(pod, -1)
	for _, p := range hostPorts(pod) {
		i := slices.Index(u.ports, p)
		u.ports = slices.Delete(u.ports, i, i+1)
	}
}

// Without is what the others have.
func (u *Use) Without(pod *v1.Pod) Use {
	others := Use{u.Pods, maps.Clone(u.asked), slices.Clone(u.ports)}
	others.Remove(pod)
	return others
}

func (u *Use) count(pod *v1.Pod, sign int64) {
	for name, q := range requests(pod) {
		if u.asked == nil {
			u.asked = map[v1.ResourceName]int64{}
		}
		u.asked[name] += sign * amount(name, q)
	}
}

// conflict: a host port of the pod is another's already.
func (u *Use) conflict(pod *v1.Pod) bool {
	for _, mine := range hostPorts(pod) {
		for _, theirs := range u.ports {
			anyIP := mine.HostIP == "" || mine.HostIP == "0.0.0.0" || theirs.HostIP == "" || theirs.HostIP == "0.0.0.0"
			if mine.HostPort == theirs.HostPort && mine.Protocol == theirs.Protocol && (anyIP || mine.HostIP == theirs.HostIP) {
				return true
			}
		}
	}
	return false
}

func hostPorts(pod *v1.Pod) []v1.ContainerPort {
	var out []v1.ContainerPort
	for _, list := range [][]v1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for _, c := range list {
			for _, p := range c.Ports {
				if p.HostPort > 0 {
					out = append(out, p)
				}
			}
		}
	}
	return out
}

// amount counts CPU in thousandths, everything else in whole units.
func amount(name v1.ResourceName, q resource.Quantity) int64 {
	if name == v1.ResourceCPU {
		return q.MilliValue()
	}
	return q.Value()
}
