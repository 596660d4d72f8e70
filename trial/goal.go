package trial

import (
	"fmt"
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"
)

// Goal is the state that pods are waited for to be in.
type Goal string

// The goals. ReadyOrFinished is what one wants of a pod without saying so: that it gets ready, or
// does its work and ends well.
const (
	ReadyOrFinished Goal = ""
	Ready           Goal = "ready"
	Running         Goal = "running"
	Succeeded       Goal = "succeeded"
	Failed          Goal = "failed"
	Completed       Goal = "completed" // succeeded or failed
	Deleted         Goal = "deleted"   // by somebody else
)

// Goals are the names of the goals.
var Goals = []string{string(Ready), string(Running), string(Succeeded), string(Failed), string(Completed), string(Deleted)}

// ParseGoal is the goal of that name; "" is ReadyOrFinished.
func ParseGoal(name string) (Goal, error) {
	if name != "" && !slices.Contains(Goals, name) {
		return "", fmt.Errorf("a pod is not waited for until %q: it is one of %s", name, strings.Join(Goals, ", "))
	}
	return Goal(name), nil
}

func (g Goal) String() string {
	if g == ReadyOrFinished {
		return "ready or finished"
	}
	return string(g)
}

// verdict is how a pod stands to a goal.
type verdict int

const (
	open    verdict = iota // it may get there
	reached                // it is there, and what comes later does not matter
	lost                   // it cannot get there any more
)

// judge says how a pod that is still there stands to the goal.
func (g Goal) judge(pod *v1.Pod) verdict {
	if g == Deleted {
		return open
	}
	switch pod.Status.Phase {
	case v1.PodSucceeded:
		return either(g != Ready && g != Failed)
	case v1.PodFailed:
		return either(g == Failed || g == Completed)
	case v1.PodRunning:
		if g == Running {
			return reached
		}
	}
	if (g == Ready || g == ReadyOrFinished) && condition(pod, v1.PodReady).Status == v1.ConditionTrue {
		return reached
	}
	if invalidImage(pod) {
		return lost
	}
	return open
}

func either(there bool) verdict {
	if there {
		return reached
	}
	return lost
}

// invalidImage says that a container's image has a name that is none, so that the container will not
// start until somebody changes the pod.
func invalidImage(pod *v1.Pod) bool {
	return slices.ContainsFunc(containers(pod), func(c v1.ContainerStatus) bool {
		return c.State.Waiting != nil && c.State.Waiting.Reason == "InvalidImageName"
	})
}
