package lifecycle

import (
	"time"

	v1 "k8s.io/api/core/v1"
)

const (
	// gathered is how far the ends of back-offs may lie apart that are taken for one
	// moment.
	gathered = 200 * time.Millisecond
	// patience is how long after its back-off a container may have to wait for others.
	patience = 100 * time.Millisecond
)

// gather has the containers of a pod whose back-offs end in one moment tried again
// together, and so shown together, as in one of upstream's syncs: the first waits
// for the others, who may get a little less than their time.
func (st *starts) gather(pod *v1.Pod, seen *Observed) {
	var first, last time.Time
	backoffEnds(pod, seen, func(end time.Time) {
		if !end.After(st.now) && st.now.Sub(end) < gathered && (first.IsZero() || end.Before(first)) {
			first = end
		}
	})
	if first.IsZero() {
		return
	}
	backoffEnds(pod, seen, func(end time.Time) {
		if end.Sub(first) <= gathered && end.After(last) {
			last = end
		}
	})
	if !last.After(st.now) {
		return
	}
	if due := first.Add(min(last.Sub(first), patience)); st.now.Before(due) {
		st.clock, st.due = first.Add(-1), due
	} else {
		st.clock = last
	}
}

// backoffEnds hands over when the back-offs end that containers are in, or were in
// before they are started now.
func backoffEnds(pod *v1.Pod, seen *Observed, hand func(time.Time)) {
	of := func(c *v1.Container) {
		newest := seen.newest(c.Name)
		var end time.Time
		if fail := seen.Failures[c.Name]; fail != nil && fail.Pull != "" {
			b := seen.Pulls[fail.Pull].Backoff
			end, _ = b.Until(fail.Pull, b.Updated, b.Updated)
		} else if newest != nil && newest.State == Exited {
			end, _ = seen.Backoffs[c.Name].Until(restartKey(c), newest.FinishedAt, newest.FinishedAt)
		}
		if !end.IsZero() {
			hand(end)
		}
	}
	for i := range pod.Spec.InitContainers {
		of(&pod.Spec.InitContainers[i])
	}
	for i := range pod.Spec.Containers {
		of(&pod.Spec.Containers[i])
	}
}
