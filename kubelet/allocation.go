package kubelet

import (
	"cmp"
	"slices"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/podling/podling/kubelet/worker"
	"github.com/podling/podling/lifecycle"
)

// allocations are the resources that the node has given its pods. They are what
// counts, on the node and in what is said of it, for as long as the room for what
// a pod asks for by now is not there (KEP-1287; upstream: pkg/kubelet/allocation).
// They belong to the desk and are guarded by its lock.
type allocations struct {
	of      map[types.UID]*v1.Pod // each pod as it was when it was last given what it asked for
	waiting []*v1.Pod             // whose resize has to wait, as they are now; those that are due first come first
}

// begin takes a pod in. What a node that begins anew had given it before, its status tells.
func (a *allocations) begin(pod *v1.Pod) *v1.Pod {
	a.of[pod.UID] = lifecycle.Given(pod)
	return a.apply(pod)
}

// apply gives the pod with the resources that it was given.
func (a *allocations) apply(pod *v1.Pod) *v1.Pod {
	return lifecycle.WithResourcesOf(pod, a.of[pod.UID])
}

// end forgets a pod.
func (a *allocations) end(uid types.UID) {
	delete(a.of, uid)
	a.settle(uid)
}

// settle: the pod does not wait to be resized (any more).
func (a *allocations) settle(uid types.UID) {
	a.waiting = slices.DeleteFunc(a.waiting, func(p *v1.Pod) bool { return p.UID == uid })
}

// wait puts the pod in line, or a newer version of it in its place: the more
// important first, then those that have waited longest.
func (a *allocations) wait(pod *v1.Pod) {
	if i := slices.IndexFunc(a.waiting, func(p *v1.Pod) bool { return p.UID == pod.UID }); i >= 0 {
		a.waiting[i] = pod
		return
	}
	a.waiting = append(a.waiting, pod)
	slices.SortStableFunc(a.waiting, func(x, y *v1.Pod) int {
		return cmp.Or(cmp.Compare(priority(y), priority(x)), cmp.Compare(guaranteed(y), guaranteed(x)))
	})
}

func priority(pod *v1.Pod) int32 {
	if pod.Spec.Priority == nil {
		return 0
	}
	return *pod.Spec.Priority
}

func guaranteed(pod *v1.Pod) int {
	if pod.Status.QOSClass == v1.PodQOSGuaranteed {
		return 1
	}
	return 0
}

// renew takes a newer version of the pod, with the resources that the node can give it. Called with d.mu held.
func (d *desk) renew(w *worker.Worker, pod *v1.Pod) {
	if pod.Generation == w.Newest().Generation {
		d.update(w, d.given.apply(pod))
		return
	}
	if d.resize(w, pod) {
		d.retryResizes() // it may have given something back
	}
}

// retryResizes looks whether there is room by now for the resizes that wait.
// Called with d.mu held.
func (d *desk) retryResizes() {
	for _, pod := range slices.Clone(d.given.waiting) {
		if w := d.workers[pod.UID]; w != nil {
			d.resize(w, pod)
		}
	}
}

// resize gives the pod what it asks for, if the node has the room, and tells its
// worker; it says whether the pod got something that it did not have. Called with
// d.mu held.
func (d *desk) resize(w *worker.Worker, pod *v1.Pod) bool {
	if pod.DeletionTimestamp != nil || lifecycle.SameResources(pod, d.given.of[pod.UID]) {
		d.given.settle(pod.UID)
		d.update(w, d.given.apply(pod), func(o *lifecycle.Observed) { o.Resize, o.Asked = nil, nil })
		return false
	}
	if node := d.object(); node != nil {
		if no := lifecycle.Resize(pod, d.room(node, pod)); no != nil {
			d.given.wait(pod)
			d.update(w, d.given.apply(pod), func(o *lifecycle.Observed) { o.Resize, o.Asked = no, pod })
			return false
		}
	}
	d.given.settle(pod.UID)
	d.given.of[pod.UID] = pod
	d.update(w, pod, func(o *lifecycle.Observed) { o.Resize, o.Asked, o.Resized = nil, nil, pod.Generation })
	return true
}
