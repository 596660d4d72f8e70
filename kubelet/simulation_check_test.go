package kubelet

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/podling/podling/kubelet/worker"
	"github.com/podling/podling/lifecycle"
)

// checkStatus holds a status that the API is given to the properties of a lifecycle.
func (w *world) checkStatus(old, pod *v1.Pod) {
	was, is := &old.Status, &pod.Status
	if lifecycle.Terminal(was.Phase) && is.Phase != was.Phase {
		w.wrong("pod %s was %s and is %s", pod.Name, was.Phase, is.Phase)
	}
	if is.ObservedGeneration < was.ObservedGeneration {
		w.wrong("pod %s: generation %d was observed, and then %d", pod.Name, was.ObservedGeneration, is.ObservedGeneration)
	}
	before, now := slices.Concat(was.InitContainerStatuses, was.ContainerStatuses), slices.Concat(is.InitContainerStatuses, is.ContainerStatuses)
	for _, b := range before {
		i := slices.IndexFunc(now, func(c v1.ContainerStatus) bool { return c.Name == b.Name })
		if i < 0 || now[i].RestartCount < b.RestartCount {
			w.wrong("container %s of pod %s had %d restarts and has fewer", b.Name, pod.Name, b.RestartCount)
		}
	}
	for _, c := range now {
		n := 0
		for _, set := range []bool{c.State.Running != nil, c.State.Waiting != nil, c.State.Terminated != nil} {
			if set {
				n++
			}
		}
		if n != 1 {
			w.wrong("container %s of pod %s is in %d states at once", c.Name, pod.Name, n)
		}
		_, id, _ := strings.Cut(c.ContainerID, "://")
		if was, started := w.attempts[id]; started && int(c.RestartCount) < was {
			w.wrong("container %s of pod %s was started with restart count %d and shows %d", c.Name, pod.Name, was, c.RestartCount)
		} else if started {
			w.shown[pod.Name+" "+c.Name] = max(was, w.shown[pod.Name+" "+c.Name])
		}
	}
	if c := lifecycle.Condition(is, v1.PodReady); c != nil && c.Status == v1.ConditionTrue {
		for _, c := range is.ContainerStatuses {
			if !c.Ready {
				w.wrong("pod %s is Ready although container %s is not", pod.Name, c.Name)
			}
		}
	}
}

// checkDeleted: when the node has a pod deleted, nothing of it runs any more.
func (w *world) checkDeleted(pod *v1.Pod) {
	for _, c := range w.containers() {
		if c.Labels[worker.LabelPodUID] == string(pod.UID) && c.State == runtimeapi.ContainerState_CONTAINER_RUNNING {
			w.wrong("pod %s is deleted from the API and its container %s runs", pod.Name, c.Metadata.Name)
		}
	}
}

// start has the runtime start a container, whose turn it has to be.
func (w *world) start(id string, start func() error) error {
	list := w.containers()
	i := slices.IndexFunc(list, func(c *runtimeapi.Container) bool { return c.Id == id })
	if i < 0 {
		return start() // it is gone, which the runtime says
	}
	c := list[i]
	uid := c.Labels[worker.LabelPodUID]
	key, attempt := uid[:2]+" "+c.Metadata.Name, int(c.Metadata.Attempt)
	if before, shown := w.shown[key]; shown && attempt <= before {
		w.wrong("container %s starts with restart count %d, and one of %d was shown before", key, attempt, before)
	}
	if pod := w.all[uid[:2]]; w.ran[key] > 0 && pod.Spec.RestartPolicy == v1.RestartPolicyNever && !sidecar(pod, c.Metadata.Name) {
		w.wrong("container %s may run once only, and starts again", key)
	}
	err := start()
	if err == nil {
		w.attempts[id] = attempt
	}
	return err
}

// started: the node has heard that a container came up. One that came up and went
// without the node, which had crashed, having ever heard of it counts for nothing.
func (w *world) started(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	name := strings.Fields(w.names[id]) // pod: container attempt
	w.ran[strings.TrimSuffix(name[0], ":")+" "+name[1]]++
}

func sidecar(pod *v1.Pod, name string) bool {
	return slices.ContainsFunc(pod.Spec.InitContainers, func(c v1.Container) bool { return c.Name == name && c.RestartPolicy != nil })
}

// checkRuntime: no container runs twice at once.
func (w *world) checkRuntime() {
	running := map[string]bool{}
	for _, c := range w.containers() {
		key := c.Labels[worker.LabelPodUID] + " " + c.Metadata.Name
		if c.State == runtimeapi.ContainerState_CONTAINER_RUNNING && running[key] {
			w.wrong("container %s runs twice at once", key)
		}
		running[key] = running[key] || c.State == runtimeapi.ContainerState_CONTAINER_RUNNING
	}
}

// checkTaken: the pods that count when another asks for room are those that the node has taken and that
// are not over, as they are now.
func (w *world) checkTaken() {
	d := w.node.desk
	d.mu.Lock()
	defer d.mu.Unlock()
	taken := map[types.UID]*v1.Pod{}
	for uid, worker := range d.workers {
		if pod := worker.Newest(); !d.rejected[uid] && !d.preempted[uid] && !lifecycle.Terminal(pod.Status.Phase) {
			taken[uid] = pod
		}
	}
	if !maps.Equal(taken, d.taken.pods) || d.taken.use.Pods != len(taken) {
		w.wrong("%d pods take room, and %d are counted, as %d", len(taken), len(d.taken.pods), d.taken.use.Pods)
	}
}

// checkEnd: nothing is left of any pod.
func (w *world) checkEnd() {
	var left []string
	for _, c := range w.containers() {
		left = append(left, w.name(c.Id))
	}
	for _, s := range w.sandboxes() {
		left = append(left, w.name(s.Id))
	}
	for name := range w.api.pods {
		left = append(left, name+" in the API")
	}
	if len(left) > 0 {
		slices.Sort(left)
		w.wrong("in the end there is left: %s", strings.Join(left, ", "))
	}
}

// summary is a status in one line.
func summary(pod *v1.Pod) string {
	var out strings.Builder
	fmt.Fprintf(&out, "%s %s:", pod.Status.Phase, pod.Status.Reason)
	for _, c := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		state := "waiting"
		switch s := c.State; {
		case s.Running != nil:
			state = "running"
		case s.Terminated != nil:
			state = fmt.Sprintf("terminated %d %s", s.Terminated.ExitCode, s.Terminated.Reason)
		case s.Waiting != nil:
			state = "waiting " + s.Waiting.Reason
		}
		fmt.Fprintf(&out, " %s %s restarts=%d ready=%v;", c.Name, state, c.RestartCount, c.Ready)
	}
	return out.String()
}
