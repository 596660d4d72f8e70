package trace

import (
	"regexp"
	"time"

	v1 "k8s.io/api/core/v1"
)

var ofContainer = regexp.MustCompile(`^spec\.(?:containers|initContainers|ephemeralContainers)\{(.+)\}$`)

// ContainerOf is the name of the container that an Event is about, "" if it is about the pod.
func ContainerOf(e *v1.Event) string {
	if m := ofContainer.FindStringSubmatch(e.InvolvedObject.FieldPath); m != nil {
		return m[1]
	}
	return ""
}

// saidTimes is how often an Event happened.
func saidTimes(e *v1.Event) int32 {
	if e.Series != nil {
		return e.Series.Count
	}
	return e.Count
}

// pulled are the times in the message of a pull that ended (upstream: EnsureImageExists in
// pkg/kubelet/images/image_manager.go).
var pulled = regexp.MustCompile(`^Successfully pulled image .+ in (\S+) \((\S+) including waiting\)`)

// pullTime is how long a pull took with the waiting for its turn, as its Event says.
func pullTime(e *v1.Event) (time.Duration, bool) {
	m := pulled.FindStringSubmatch(e.Message)
	if m == nil {
		return 0, false
	}
	d, err := time.ParseDuration(m[2])
	return d, err == nil
}

// acts are the reasons of the Events that go with a container's change to a state: what the node did.
var acts = map[string][]string{
	"running":    {"Started", "Created", "Pulled"},
	"terminated": {"Killing", "Preempting"},
	"waiting":    {"BackOff", "Failed", "ErrImageNeverPull", "InspectFailed", "FailedPostStartHook", "FailedPreStopHook"},
	"ready":      {"Unhealthy"},
}

// near is how far from a change an Event may have happened that tells of the same.
const near = 3 * time.Second

// Act is the Event that tells what the node did to bring a change about, nil if none does. said are
// the Events about the pod in any order, at is when the change was seen.
func Act(c Change, at time.Time, said []*v1.Event) *v1.Event {
	kind := c.Is
	switch {
	case c.Field == "ready" && c.Is == "false":
		kind = "ready"
	case c.Part == Condition && c.Name == string(v1.PodScheduled) || c.Part == Whole && c.Field == "nodeName":
		return nearest([]string{"Scheduled", "FailedScheduling"}, "", at, said)
	case c.Part == Condition && c.Name == string(v1.PodReadyToStartContainers):
		return nearest([]string{"FailedCreatePodSandBox", "FailedMount", "SandboxChanged"}, "", at, said)
	case c.Field != "state":
		return nil
	}
	return nearest(acts[kind], c.Name, at, said)
}

// nearest is the Event of the first reason for which there is one, at the time that is nearest.
func nearest(reasons []string, container string, at time.Time, said []*v1.Event) *v1.Event {
	for _, reason := range reasons {
		var best *v1.Event
		off := near
		for _, e := range said {
			if e.Reason != reason || ContainerOf(e) != container {
				continue
			}
			if d := saidAt(e).Time.Sub(at).Abs(); d <= off {
				best, off = e, d
			}
		}
		if best != nil {
			return best
		}
	}
	return nil
}
