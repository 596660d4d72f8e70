package shutdown

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sort"
	"time"

	v1 "k8s.io/api/core/v1"
	kubeletconfig "k8s.io/kubelet/config/v1beta1"
	"k8s.io/kubernetes/pkg/apis/scheduling"
)

// Periods say how long pods have to end, those of each priority and above in turn. None: the
// machine's shutdown is not waited for.
type Periods []kubeletconfig.ShutdownGracePeriodByPodPriority

// OnDemand are the periods of a shutdown that somebody asks for where none are configured: 30 s, of
// which the last 10 are critical pods' (the example of Kubernetes' documentation).
var OnDemand = Periods{
	{Priority: scheduling.DefaultPriorityWhenNoDefaultClassExists, ShutdownGracePeriodSeconds: 20},
	{Priority: scheduling.SystemCriticalPriority, ShutdownGracePeriodSeconds: 10},
}

// ByCriticality gives the periods of ordinary and of critical pods: those have the last part of all
// the time there is (upstream: migrateConfig).
func ByCriticality(all, critical time.Duration) (Periods, error) {
	switch {
	case all < 0 || all > 0 && all < time.Second:
		return nil, fmt.Errorf("shutdownGracePeriod %v: want 0 or 1s and more", all)
	case critical < 0 || critical > 0 && critical < time.Second:
		return nil, fmt.Errorf("shutdownGracePeriodCriticalPods %v: want 0 or 1s and more", critical)
	case critical > all:
		return nil, fmt.Errorf("shutdownGracePeriodCriticalPods %v is a part of shutdownGracePeriod, which is %v", critical, all)
	case all == 0:
		return nil, nil
	}
	return Periods{
		{Priority: scheduling.DefaultPriorityWhenNoDefaultClassExists, ShutdownGracePeriodSeconds: int64((all - critical) / time.Second)},
		{Priority: scheduling.SystemCriticalPriority, ShutdownGracePeriodSeconds: int64(critical / time.Second)},
	}, nil
}

// Check puts periods in order and says what is wrong with them.
func (p Periods) Check() (Periods, error) {
	p = slices.Clone(p)
	slices.SortFunc(p, func(a, b kubeletconfig.ShutdownGracePeriodByPodPriority) int {
		return cmp.Compare(a.Priority, b.Priority)
	})
	for i := range p {
		if p[i].ShutdownGracePeriodSeconds < 0 {
			return nil, fmt.Errorf("shutdownGracePeriodByPodPriority: priority %d has %d seconds: a time to wait is not negative", p[i].Priority, p[i].ShutdownGracePeriodSeconds)
		}
		if i > 0 && p[i].Priority == p[i-1].Priority {
			return nil, fmt.Errorf("shutdownGracePeriodByPodPriority: priority %d is there twice", p[i].Priority)
		}
	}
	if len(p) > 0 && p.Sum() == 0 {
		return nil, errors.New("shutdownGracePeriodByPodPriority: there is no time for any pod")
	}
	return p, nil
}

// Sum is how long a shutdown takes at most.
func (p Periods) Sum() time.Duration {
	var seconds int64
	for _, one := range p {
		seconds += one.ShutdownGracePeriodSeconds
	}
	return time.Duration(seconds) * time.Second
}

// A group is pods that end side by side.
type group struct {
	priority int32
	grace    int64 // seconds that the group has
	pods     []*v1.Pod
}

// groups are the pods in the order in which they end, groups without any left out. A pod belongs to
// the highest period that is not above its priority, or to the lowest there is (upstream:
// groupByPriority). p is in order and not empty.
func (p Periods) groups(pods []*v1.Pod) []group {
	all := make([]group, len(p))
	for i, one := range p {
		all[i] = group{priority: one.Priority, grace: one.ShutdownGracePeriodSeconds}
	}
	for _, pod := range pods {
		var priority int32
		if pod.Spec.Priority != nil {
			priority = *pod.Spec.Priority
		}
		above := sort.Search(len(p), func(i int) bool { return p[i].Priority > priority })
		i := max(above-1, 0)
		all[i].pods = append(all[i].pods, pod)
	}
	return slices.DeleteFunc(all, func(g group) bool { return len(g.pods) == 0 })
}

// graceOf is how many seconds a pod of the group has: its own grace period, if that is shorter.
func (g group) graceOf(pod *v1.Pod) int64 {
	if own := pod.Spec.TerminationGracePeriodSeconds; own != nil {
		return min(*own, g.grace)
	}
	return g.grace
}
