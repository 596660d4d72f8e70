package eviction

import (
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	statsapi "k8s.io/kubelet/pkg/apis/stats/v1alpha1"
	api "k8s.io/kubernetes/pkg/kubelet/eviction/api"

	"github.com/podling/podling/kubelet/stats"
)

// amount is what is left of something, and how much there is of it.
type amount struct{ available, capacity *resource.Quantity }

// observe puts what was measured into signals. One that could not be measured is missing (upstream:
// makeSignalObservations in helpers.go).
func observe(m stats.Machine) map[api.Signal]amount {
	out := map[api.Signal]amount{}
	if s := m.Memory; s != nil && s.AvailableBytes != nil && s.WorkingSetBytes != nil {
		all := *s.AvailableBytes + *s.WorkingSetBytes
		out[api.SignalMemoryAvailable] = amount{figure(s.AvailableBytes, resource.BinarySI), figure(&all, resource.BinarySI)}
	}
	for _, f := range []struct {
		fs            *statsapi.FsStats
		bytes, inodes api.Signal
	}{
		{m.Fs, api.SignalNodeFsAvailable, api.SignalNodeFsInodesFree},
		{m.Images, api.SignalImageFsAvailable, api.SignalImageFsInodesFree},
	} {
		if f.fs == nil {
			continue
		}
		if f.fs.AvailableBytes != nil && f.fs.CapacityBytes != nil {
			out[f.bytes] = amount{figure(f.fs.AvailableBytes, resource.BinarySI), figure(f.fs.CapacityBytes, resource.BinarySI)}
		}
		if f.fs.InodesFree != nil && f.fs.Inodes != nil {
			out[f.inodes] = amount{figure(f.fs.InodesFree, resource.DecimalSI), figure(f.fs.Inodes, resource.DecimalSI)}
		}
	}
	if r := m.Rlimit; r != nil && r.MaxPID != nil && r.NumOfRunningProcesses != nil {
		out[api.SignalPIDAvailable] = amount{
			resource.NewQuantity(*r.MaxPID-*r.NumOfRunningProcesses, resource.DecimalSI), resource.NewQuantity(*r.MaxPID, resource.DecimalSI),
		}
	}
	return out
}

// met: there is less than the threshold, or, with more, less than that and what is to be reclaimed
// on top of it.
func (t *threshold) met(seen map[api.Signal]amount, more bool) bool {
	a, known := seen[t.name]
	if !known {
		return false
	}
	least := t.least(a)
	if more {
		least.Add(*api.GetThresholdQuantity(t.reclaim, a.capacity))
	}
	return least.Cmp(*a.available) > 0
}

// least is what must be free.
func (t *threshold) least(a amount) *resource.Quantity {
	return api.GetThresholdQuantity(t.value, a.capacity)
}

// pressure remembers what has to be remembered from one look to the next.
type pressure struct {
	thresholds []threshold
	since      map[int]time.Time // that a threshold is met, by its place in thresholds
	due        map[int]bool      // a threshold that drives evictions, until it is met no more and the minimum is reclaimed
	last       map[v1.NodeConditionType]time.Time
	transition time.Duration
}

func newPressure(thresholds []threshold, transition time.Duration) *pressure {
	return &pressure{thresholds: thresholds, transition: transition,
		since: map[int]time.Time{}, due: map[int]bool{}, last: map[v1.NodeConditionType]time.Time{}}
}

// note takes in what is seen at now. It gives the thresholds that something has to be done about,
// those of memory first, and the node's conditions (upstream: synchronize in eviction_manager.go).
func (p *pressure) note(seen map[api.Signal]amount, now time.Time) (due []threshold, conditions []v1.NodeConditionType) {
	for i := range p.thresholds {
		t := &p.thresholds[i]
		if !t.met(seen, false) && !(p.due[i] && t.met(seen, true)) {
			delete(p.since, i)
			delete(p.due, i)
			continue
		}
		if _, before := p.since[i]; !before {
			p.since[i] = now
		}
		p.last[t.condition] = now
		if p.due[i] = now.Sub(p.since[i]) >= t.grace; p.due[i] {
			due = append(due, *t)
		}
	}
	for _, c := range []v1.NodeConditionType{v1.NodeMemoryPressure, v1.NodeDiskPressure, v1.NodePIDPressure} {
		if at, ever := p.last[c]; ever && now.Sub(at) < p.transition {
			conditions = append(conditions, c)
		}
	}
	return due, conditions
}

// relieved: every threshold is kept again, with what was to be reclaimed on top of it.
func (p *pressure) relieved(seen map[api.Signal]amount) bool {
	for i := range p.thresholds {
		if p.thresholds[i].met(seen, true) {
			return false
		}
	}
	return true
}
