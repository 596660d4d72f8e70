package lifecycle

import (
	"slices"

	v1 "k8s.io/api/core/v1"
)

// asShown are the containers as the next status may show them: the one that came
// up last still runs in it, even if it ended before anybody was told. So a watch
// sees a container run, however short its life. (One that ended while others
// were still being started is shown as ended, by upstream too.)
func asShown(pod *v1.Pod, old *v1.PodStatus, seen *Observed) []Container {
	if pod.DeletionTimestamp != nil || seen.Gone || seen.Killed || seen.Evict != nil {
		return seen.Containers
	}
	out := seen.Containers
	for i := range out {
		c := &out[i]
		if c.State != Exited || seen.Started != c.ID || seen.newest(c.Name).ID != c.ID || known(old, c) {
			continue
		}
		if &out[0] == &seen.Containers[0] {
			out = slices.Clone(out)
		}
		out[i].State = Running
	}
	return out
}

// hidden: asShown showed something that is no longer so.
func hidden(seen *Observed) bool {
	return slices.ContainsFunc(seen.Containers, func(c Container) bool { return c.State == Running && !c.FinishedAt.IsZero() })
}

// known: the status has told of that container.
func known(s *v1.PodStatus, c *Container) bool {
	for _, list := range [][]v1.ContainerStatus{s.ContainerStatuses, s.InitContainerStatuses, s.EphemeralContainerStatuses} {
		if was := find(list, c.Name); was != nil {
			return was.ContainerID == c.ID || shown(was, c.ID)
		}
	}
	return false
}

// startedFirst is the status of a moment in which it turned out whether containers
// have started: it says so and nothing else. What follows, readiness above all, is in the next one
// (upstream: SetContainerStartup in pkg/kubelet/status/status_manager.go, which
// comes before the sync that it causes).
func startedFirst(old, s *v1.PodStatus, seen *Observed) (first v1.PodStatus, ok bool) {
	for _, f := range seen.Failures {
		if !f.Reported {
			return first, false // that is not to wait
		}
	}
	first = *old
	first.InitContainerStatuses, ok = startedIn(old.InitContainerStatuses, s.InitContainerStatuses)
	regular, some := startedIn(old.ContainerStatuses, s.ContainerStatuses)
	first.ContainerStatuses = regular
	return first, ok || some
}

// startedIn is old, with its running containers marked as now has them.
func startedIn(old, now []v1.ContainerStatus) (list []v1.ContainerStatus, some bool) {
	list = old
	for i := range old {
		was, is := &old[i], find(now, old[i].Name)
		if is == nil || is.ContainerID != was.ContainerID || was.State.Running == nil || is.State.Running == nil ||
			was.Started == nil || *was.Started == *is.Started {
			continue
		}
		if !some {
			list, some = slices.Clone(old), true
		}
		list[i].Started = is.Started
	}
	return list, some
}

// ShownRunning: the status, if there is one, shows the container of that ID running.
func ShownRunning(s *v1.PodStatus, id string) bool {
	if s == nil {
		return false
	}
	is := func(c v1.ContainerStatus) bool { return c.ContainerID == id && c.State.Running != nil }
	return slices.ContainsFunc(s.ContainerStatuses, is) || slices.ContainsFunc(s.InitContainerStatuses, is)
}
