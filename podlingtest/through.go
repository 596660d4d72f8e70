package podlingtest

import (
	"errors"
	"fmt"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
)

// WentThrough waits until all of the conditions have held of the pod, one after the
// other, since it was made: what was over before anybody looked counts too. One event
// may bring several.
//
//	c.WentThrough(pod, podlingtest.Running, podlingtest.Waiting("CrashLoopBackOff"), podlingtest.Restarts(1))
func (c *Cluster) WentThrough(pod *v1.Pod, conditions ...Condition) {
	c.t.Helper()
	namespace := pod.Namespace
	if namespace == "" {
		namespace = metav1.NamespaceDefault
	}
	key := namespace + "/" + pod.Name
	timeout := time.NewTimer(c.timeout)
	defer timeout.Stop()
	for {
		h, changed := c.env.record.of(key)
		held, not := through(h, pod, conditions)
		if held == len(conditions) {
			return
		}
		where := fmt.Errorf("it went through %d of %d, then %w", held, len(conditions), not)
		select {
		case <-changed:
		case <-timeout.C:
			c.tell(key, where, fmt.Errorf("not within %s", c.timeout))
		case <-c.env.process.done:
			c.tell(key, where, c.env.process.gone())
		}
	}
}

// through is how many of the conditions have held so far, and why the next one has not.
func through(h history, pod *v1.Pod, conditions []Condition) (held int, not error) {
	not = errNoPod
	for _, e := range h.events {
		if pod.UID != "" && e.Pod.UID != pod.UID {
			continue
		}
		now := e.Pod
		if e.Type == watch.Deleted {
			now = nil
		}
		for held < len(conditions) {
			if not = conditions[held](now); not != nil {
				break
			}
			held++
		}
	}
	if held < len(conditions) && h.dropped > 0 {
		not = errors.Join(not, fmt.Errorf("its first %d events are not kept any more", h.dropped))
	}
	return held, not
}
