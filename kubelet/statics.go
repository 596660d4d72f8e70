package kubelet

import (
	"cmp"
	"context"
	"slices"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/kubernetes/pkg/apis/core/v1/helper/qos"
	kubetypes "k8s.io/kubernetes/pkg/kubelet/types"

	"github.com/podling/podling/kubelet/shutdown"
	"github.com/podling/podling/kubelet/static"
	"github.com/podling/podling/kubelet/worker"
)

// statics are the node's static pods, by the name that each shares with its
// mirror. Of several manifests that follow one another under one name, one at a
// time has a worker (upstream: allowStaticPodStart in pkg/kubelet/pod_workers.go).
type statics struct {
	want    map[types.NamespacedName]*v1.Pod        // what the manifests say
	at      map[types.NamespacedName]*worker.Worker // who is at work
	mirrors map[types.NamespacedName]*v1.Pod        // what the API has
}

func newStatics() statics {
	return statics{
		want:    map[types.NamespacedName]*v1.Pod{},
		at:      map[types.NamespacedName]*worker.Worker{},
		mirrors: map[types.NamespacedName]*v1.Pod{},
	}
}

// begin begins the work with the static pods, which wait for no API server. What
// the runtime has, nil if it does not say, tells which of them have another to
// follow that their manifests were of when the node was last up.
func (d *desk) begin(ctx context.Context, has map[types.UID]*v1.Pod) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ctx = ctx
	for uid, pod := range has {
		if want := d.statics.want[static.Name(pod)]; want != nil && want.UID != uid && static.Hashed(uid) {
			d.takeDown(pod)
		}
	}
	d.arrange()
}

// manifests takes all static pods that there are to be.
func (d *desk) manifests(pods []*v1.Pod) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.statics.want = map[types.NamespacedName]*v1.Pod{}
	for _, pod := range pods {
		d.statics.want[static.Name(pod)] = pod
	}
	if d.ctx != nil {
		d.arrange()
	}
}

// arrange ends the static pods that are not wanted any more, and begins those
// that are. Called with d.mu held.
func (d *desk) arrange() {
	for name, w := range d.statics.at {
		pod := w.Newest()
		switch want := d.statics.want[name]; {
		case pod.DeletionTimestamp != nil: // it is ending
		case want == nil || want.UID != pod.UID:
			d.update(w, ended(pod))
		default:
			d.update(w, d.reflected(want)) // where the manifest sets the UID, the rest may have changed
		}
	}
	var begin []*v1.Pod
	for name, pod := range d.statics.want {
		if d.statics.at[name] == nil {
			begin = append(begin, d.reflected(pod))
		}
	}
	slices.SortFunc(begin, func(a, b *v1.Pod) int { return cmp.Compare(a.Name, b.Name) })
	for _, pod := range begin {
		d.hire(pod, false, true)
	}
	d.dropOrphans()
}

// ended is a static pod whose manifest is gone: as if it had been deleted, with
// the grace period of its spec.
func ended(pod *v1.Pod) *v1.Pod {
	pod = pod.DeepCopy()
	now := metav1.Now()
	pod.DeletionTimestamp = &now
	return pod
}

// reflected is a static pod with the status that its mirror shows, if it is that
// pod's: so a node that starts again knows what it last said of it.
func (d *desk) reflected(pod *v1.Pod) *v1.Pod {
	out := *pod
	out.Status.QOSClass = qos.GetPodQOS(pod)
	mirror := d.statics.mirrors[static.Name(pod)]
	if mirror == nil || !static.Mirrors(mirror, pod) {
		return &out
	}
	// One that was rejected has its chance again, as upstream gives it one; one that ended with the
	// machine runs again with it.
	rejected := mirror.Status.Phase == v1.PodFailed && len(mirror.Status.ContainerStatuses) == 0
	if !rejected && !shutdown.Ended(&mirror.Status) {
		out.Status = mirror.Status
	}
	return &out
}

// mirror takes a mirror from the API.
func (d *desk) mirror(mirror *v1.Pod, gone bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	name := static.Name(mirror)
	if gone {
		delete(d.statics.mirrors, name)
	} else {
		d.statics.mirrors[name] = mirror
	}
	d.shared.Reporter.Mirror(mirror, gone)
	if w := d.statics.at[name]; w != nil && !gone {
		d.update(w, d.reflected(w.Newest()))
	}
	d.dropOrphans()
}

// dropOrphans deletes the mirrors that stand for nothing any more, those of
// pods whose manifests went while the node was down among them. Called with
// d.mu held.
func (d *desk) dropOrphans() {
	if !d.compared { // what the runtime has may still be one's
		return
	}
	for name, mirror := range d.statics.mirrors {
		if d.statics.want[name] == nil && d.statics.at[name] == nil {
			d.shared.Reporter.Delete(mirror)
			delete(d.statics.mirrors, name)
		}
	}
}

// takeDown ends a pod that the runtime has and that nobody knows. A static pod
// whose mirror still tells what it was ends as its manifest asked for, and the
// next of its name waits until it has. Called with d.mu held.
func (d *desk) takeDown(pod *v1.Pod) {
	name := static.Name(pod)
	if static.Hashed(pod.UID) && d.statics.at[name] == nil {
		if mirror := d.statics.mirrors[name]; mirror != nil && static.Of(mirror) == pod.UID {
			d.hire(ended(static.Mirrored(mirror)), false, true)
			return
		}
		pod.Annotations = map[string]string{kubetypes.ConfigSourceAnnotationKey: kubetypes.FileSource}
	}
	d.hire(pod, true, true)
}
