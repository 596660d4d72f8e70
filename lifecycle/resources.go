package lifecycle

import (
	v1 "k8s.io/api/core/v1"
)

// podResources are the pod's own resources in its status: what its containers
// ask for together (KEP-2837; upstream: PodRequests and PodLimits in
// k8s.io/component-helpers/resource).
func podResources(pod *v1.Pod) (*v1.ResourceRequirements, v1.ResourceList) {
	asked := requests(pod)
	return &v1.ResourceRequirements{Requests: asked, Limits: limits(pod)}, asked
}

// requests are what the pod asks for, with what it costs to have a pod at all.
func requests(pod *v1.Pod) v1.ResourceList {
	return add(total(pod, func(r *v1.ResourceRequirements) v1.ResourceList { return r.Requests }), pod.Spec.Overhead)
}

// limits are the most that the pod may have. Overhead comes on top of a limit; it is none by itself.
func limits(pod *v1.Pod) v1.ResourceList {
	sum := total(pod, func(r *v1.ResourceRequirements) v1.ResourceList { return r.Limits })
	for name, q := range pod.Spec.Overhead {
		if have, ok := sum[name]; ok && !have.IsZero() {
			have = have.DeepCopy()
			have.Add(q)
			sum[name] = have
		}
	}
	return sum
}

// total sums one kind of resource over the pod: the containers that run side by
// side, or the hungriest moment of initialization, whichever is more.
func total(pod *v1.Pod, of func(*v1.ResourceRequirements) v1.ResourceList) v1.ResourceList {
	var sum, sidecars, most v1.ResourceList
	for i := range pod.Spec.Containers {
		sum = add(sum, of(&pod.Spec.Containers[i].Resources))
	}
	for i := range pod.Spec.InitContainers {
		c := &pod.Spec.InitContainers[i]
		r := of(&c.Resources)
		if isSidecar(c) {
			sum, sidecars = add(sum, r), add(sidecars, r)
			most = atLeast(most, sidecars)
			continue
		}
		most = atLeast(most, add(add(nil, sidecars), r))
	}
	sum = atLeast(sum, most)
	if pod.Spec.Resources != nil {
		for name, q := range of(pod.Spec.Resources) {
			if sum == nil {
				sum = v1.ResourceList{}
			}
			sum[name] = q.DeepCopy()
		}
	}
	return sum
}

func add(to, more v1.ResourceList) v1.ResourceList {
	for name, q := range more {
		if to == nil {
			to = v1.ResourceList{}
		}
		have := to[name].DeepCopy()
		have.Add(q)
		to[name] = have
	}
	return to
}

func atLeast(to, floor v1.ResourceList) v1.ResourceList {
	for name, q := range floor {
		if have, ok := to[name]; !ok || have.Cmp(q) < 0 {
			if to == nil {
				to = v1.ResourceList{}
			}
			to[name] = q.DeepCopy()
		}
	}
	return to
}
