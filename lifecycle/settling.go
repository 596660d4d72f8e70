package lifecycle

import (
	"time"

	v1 "k8s.io/api/core/v1"
)

// What ends together is told and acted on together. Upstream looks at a pod's
// containers once a second, and sees in one look what happened in one moment; the
// node here hears of each end by itself.
const (
	// killedTogether is how long after a container the end of a sandbox is heard of
	// that brought the container's about.
	killedTogether = time.Second
	// killedSurely is how long after a sandbox the ends of containers are heard of
	// whose first process was the sandbox's: the kernel has killed them, but containerd
	// takes a second or two to try again what it could not do at once.
	killedSurely = 5 * time.Second
	// startedTogether is how far apart containers start that are started in one go.
	startedTogether = 500 * time.Millisecond
	// shortLife is how long containers may live that are expected to end together
	// because they started together.
	shortLife = time.Minute
	// lateness is how much later than expected an end may be heard of.
	lateness = 200 * time.Millisecond
)

// settling is the time until which nothing is said or done, because more is about to
// be heard of what just happened; zero if there is nothing to wait for.
func settling(pod *v1.Pod, old *v1.PodStatus, seen *Observed, now time.Time) (until time.Time) {
	if len(seen.Sandboxes) == 0 {
		return until
	}
	box := &seen.Sandboxes[0]
	shared := pod.Spec.ShareProcessNamespace != nil && *pod.Spec.ShareProcessNamespace
	wait := func(since time.Time, d time.Duration) {
		if end := since.Add(d); now.Before(end) && until.Before(end) && !now.Before(since) { // else the clock was put back
			until = end
		}
	}
	for i := range seen.Containers {
		c := &seen.Containers[i]
		switch {
		case c.SandboxID != box.ID:
		case c.State == Running && shared && !box.Ready:
			// The first process of their namespace ended, and all were killed with it.
			wait(box.LostAt, killedSurely)
		case c.State != Exited || !box.Ready || seen.Stopped[c.ID] || endKnown(old, c):
		case shared && c.ExitCode == 137:
			wait(c.FinishedAt, killedTogether)
		case c.FinishedAt.Sub(c.StartedAt) < shortLife:
			// Containers that were started one after the other and live equally long.
			if gap, ok := companion(pod, seen, c); ok {
				wait(c.FinishedAt, gap+lateness)
			}
		}
	}
	return until
}

// companion says by how much the last regular container was started later than c
// that was started in one go with it, before c ended, and still runs.
func companion(pod *v1.Pod, seen *Observed, c *Container) (gap time.Duration, ok bool) {
	newest := false
	for i := range pod.Spec.Containers {
		other := seen.newest(pod.Spec.Containers[i].Name)
		if other == nil || other.ID == c.ID {
			newest = newest || other != nil
			continue
		}
		later := other.StartedAt.Sub(c.StartedAt)
		if other.State == Running && later >= gap && later <= startedTogether && c.FinishedAt.After(other.StartedAt) {
			gap, ok = later, true
		}
	}
	return gap, ok && newest
}

// endKnown: the status has told of the container's end.
func endKnown(s *v1.PodStatus, c *Container) bool {
	for _, list := range [][]v1.ContainerStatus{s.ContainerStatuses, s.InitContainerStatuses, s.EphemeralContainerStatuses} {
		if was := find(list, c.Name); was != nil {
			return shown(was, c.ID)
		}
	}
	return false
}
