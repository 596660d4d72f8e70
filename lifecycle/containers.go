package lifecycle

import (
	"cmp"
	"slices"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The words of container states that the node itself makes (upstream:
// pkg/kubelet/kubelet.go and pkg/kubelet/container/runtime.go).
const (
	ContainerCreating      = "ContainerCreating"
	PodInitializing        = "PodInitializing"
	CrashLoopBackOff       = "CrashLoopBackOff"
	ImagePullBackOff       = "ImagePullBackOff"
	ContainerStatusUnknown = "ContainerStatusUnknown"
)

// kind is which list of the spec a container stands in.
type kind int

const (
	regular kind = iota
	initial
	ephemeral
)

// containerStatuses makes the API's view of one list of containers from what
// the runtime shows, what was reported before and what failed (upstream:
// convertToAPIContainerStatuses in pkg/kubelet/kubelet_pods.go). all: they are
// being removed to run again together.
func containerStatuses(pod *v1.Pod, seen *Observed, k kind, specs []v1.Container, old []v1.ContainerStatus, all bool, p *Plan, st *starts) []v1.ContainerStatus {
	if len(specs) == 0 {
		return nil
	}
	out := make([]v1.ContainerStatus, 0, len(specs))
	for i := range specs {
		c := &specs[i]
		was := find(old, c.Name)
		s := fromRuntime(pod, seen, c, was, all && k != ephemeral)
		if inferredInit(pod, seen, k, c, &s) {
			out = append(out, s)
			continue
		}
		startable(pod, seen, k, c, was, &s, p, st)
		if setReadiness(seen, k, c, was, &s) {
			p.wakeAt(st.now, "that container "+c.Name+" was replaced is reported first")
		}
		out = append(out, s)
	}
	if k != initial { // init containers keep the spec's order: it is theirs to run in
		slices.SortFunc(out, func(a, b v1.ContainerStatus) int { return cmp.Compare(a.Name, b.Name) })
	}
	return out
}

// fromRuntime is the status as the runtime's newest two containers of that name
// tell it, or, where the runtime knows none, as it was reported before.
func fromRuntime(pod *v1.Pod, seen *Observed, c *v1.Container, was *v1.ContainerStatus, all bool) v1.ContainerStatus {
	s, found := v1.ContainerStatus{}, 0
	for i := range seen.Containers {
		r := &seen.Containers[i]
		if r.Name != c.Name {
			continue
		}
		if found++; found == 1 {
			s = running(seen, c, r, was)
			if t := s.State.Terminated; all && t != nil && t.Reason == ContainerStatusUnknown {
				t.Reason = RestartingAllContainers
			}
			continue
		}
		if r.State == Exited {
			s.LastTerminationState = v1.ContainerState{Terminated: terminated(r)}
		}
		break
	}
	if found == 0 {
		s = absent(pod, c, was)
		if all && was != nil && was.State.Waiting == nil {
			s = removed(s, was)
		}
	}
	if s.VolumeMounts == nil {
		s.VolumeMounts = volumeMounts(c, seen.RecursiveReadOnly)
	}
	return s
}

// running is the status of a container that the runtime has.
func running(seen *Observed, c *v1.Container, r *Container, was *v1.ContainerStatus) v1.ContainerStatus {
	s := v1.ContainerStatus{
		Name: r.Name, RestartCount: r.RestartCount, Image: r.Image, ImageID: r.ImageID, ContainerID: r.ID, User: r.User,
		Resources: r.Resources, AllocatedResources: c.Resources.Requests,
	}
	if s.Resources == nil || r.State != Running {
		s.Resources = &c.Resources // the spec's own: nobody changes a status in place
	}
	if was != nil {
		// A count that was shown never falls, whatever became of the containers it counts.
		s.RestartCount = max(s.RestartCount, was.RestartCount)
		if was.ContainerID != r.ID && was.State.Terminated != nil {
			s.LastTerminationState = v1.ContainerState{Terminated: was.State.Terminated}
		} else {
			s.LastTerminationState = v1.ContainerState{Terminated: was.LastTerminationState.Terminated}
		}
		if r.State == Running && was.State.Terminated != nil && was.ContainerID != r.ID && was.RestartCount >= r.RestartCount {
			s.RestartCount = was.RestartCount + 1 // the runtime forgot the containers that the count came from
		}
	}
	switch r.State {
	case Running:
		s.State.Running = &v1.ContainerStateRunning{StartedAt: second(metav1.NewTime(r.StartedAt))}
	case Exited:
		s.State.Terminated = terminated(r)
	case Unknown:
		if was != nil && was.State.Running != nil {
			s.State.Terminated = lost("The container could not be located when the pod was terminated")
			s.RestartCount = was.RestartCount + 1
			break
		}
		fallthrough
	default: // created: it waits to be started
		s.State.Waiting = &v1.ContainerStateWaiting{}
	}
	return s
}

// absent is the status of a container that the runtime does not have: not made
// yet, or gone since.
func absent(pod *v1.Pod, c *v1.Container, was *v1.ContainerStatus) v1.ContainerStatus {
	reason := ContainerCreating
	if len(pod.Spec.InitContainers) > 0 {
		reason = PodInitializing
	}
	s := v1.ContainerStatus{Name: c.Name, Image: c.Image, State: v1.ContainerState{Waiting: &v1.ContainerStateWaiting{Reason: reason}}}
	if was == nil {
		return s
	}
	if was.State.Terminated != nil {
		return *was.DeepCopy()
	}
	s.RestartCount, s.LastTerminationState, s.VolumeMounts = was.RestartCount, was.LastTerminationState, was.VolumeMounts
	if was.State.Running != nil && s.LastTerminationState.Terminated == nil {
		// It ran and is gone without a trace: how it ended nobody knows, but it must not look as if it never ran.
		s.LastTerminationState.Terminated = lost("The container could not be located when the pod was deleted.  The container used to be Running")
		if pod.DeletionTimestamp == nil {
			s.RestartCount++
		}
	}
	return s
}

// inferredInit settles an init container that ran to its end: it is not started
// again, and if the runtime has lost it although regular containers exist, it
// must have completed.
func inferredInit(pod *v1.Pod, seen *Observed, k kind, c *v1.Container, s *v1.ContainerStatus) bool {
	if k != initial || isSidecar(c) {
		return false
	}
	newest := seen.newest(c.Name)
	switch {
	case newest != nil && newest.State == Exited && newest.ExitCode == 0:
	case newest == nil && s.State.Terminated != nil && s.State.Terminated.ExitCode == 0:
	case newest == nil && s.State.Waiting != nil && anyRegular(pod, seen):
		s.State = v1.ContainerState{Terminated: &v1.ContainerStateTerminated{
			Reason:  "Completed",
			Message: "Unable to get init container status from container runtime and pod has been initialized, treat it as exited normally",
		}}
	default:
		return false
	}
	started := false
	s.Started, s.Ready = &started, true
	return true
}

// anyRegular: at least one of the pod's regular containers was ever created.
func anyRegular(pod *v1.Pod, seen *Observed) bool {
	return slices.ContainsFunc(pod.Spec.Containers, func(c v1.Container) bool { return seen.newest(c.Name) != nil })
}

func terminated(r *Container) *v1.ContainerStateTerminated {
	return &v1.ContainerStateTerminated{
		ExitCode: r.ExitCode, Reason: r.Reason, Message: r.Message, ContainerID: r.ID,
		StartedAt: second(metav1.NewTime(r.StartedAt)), FinishedAt: second(metav1.NewTime(r.FinishedAt)),
	}
}

// lost is the end of a container that nobody saw end.
func lost(message string) *v1.ContainerStateTerminated {
	return &v1.ContainerStateTerminated{Reason: ContainerStatusUnknown, Message: message, ExitCode: 137}
}

func find(statuses []v1.ContainerStatus, name string) *v1.ContainerStatus {
	for i := range statuses {
		if statuses[i].Name == name {
			return &statuses[i]
		}
	}
	return nil
}

// second drops what the API's timestamps cannot hold, so that a status read back compares equal.
func second(t metav1.Time) metav1.Time { return metav1.NewTime(t.Truncate(time.Second)) }
