package survive

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

func lines(file string) (int, error) {
	raw, err := os.ReadFile(file)
	return bytes.Count(raw, []byte("\n")), err
}

// pods are those of one trial, by their kinds.
func (g *Ground) pods(ctx context.Context, number int) (map[string]*v1.Pod, error) {
	list, err := g.client.CoreV1().Pods("default").List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	out := map[string]*v1.Pod{}
	for i := range list.Items {
		if kind, n, _ := strings.Cut(list.Items[i].Name, "-"); n == fmt.Sprint(number) {
			out[kind] = &list.Items[i]
		}
	}
	return out, nil
}

// settled says what a pod still lacks to be as it has to be for good; "" if nothing.
func settled(kind string, pod *v1.Pod) string {
	if pod == nil {
		return "is not in the API"
	}
	switch kind {
	case plain, hooks:
		for _, c := range pod.Status.Conditions {
			if c.Type == v1.PodReady && c.Status == v1.ConditionTrue && pod.Status.Phase == v1.PodRunning {
				return ""
			}
		}
		return "is not Ready"
	case job:
		if pod.Status.Phase != v1.PodFailed {
			return "has not failed"
		}
		for _, s := range pod.Status.ContainerStatuses {
			want := map[string]int32{"good": 0, "bad": 3}[s.Name]
			if t := s.State.Terminated; t == nil || t.ExitCode != want {
				return fmt.Sprintf("container %s is %s, not ended with %d", s.Name, state(&s), want)
			}
		}
		return ""
	case crash:
		s := pod.Status.ContainerStatuses
		if len(s) == 1 && s[0].RestartCount > 0 && s[0].State.Waiting != nil && s[0].State.Waiting.Reason == "CrashLoopBackOff" {
			if t := s[0].LastTerminationState.Terminated; t == nil || t.ExitCode != 5 {
				return "does not show that it ended with 5"
			}
			return ""
		}
		return "is not in its back-off"
	}
	return "is of no known kind"
}

func state(s *v1.ContainerStatus) string {
	switch {
	case s.State.Running != nil:
		return "running"
	case s.State.Terminated != nil:
		t := s.State.Terminated
		return strings.TrimSpace(fmt.Sprintf("terminated %s exitCode=%d %s", t.Reason, t.ExitCode, t.Message))
	case s.State.Waiting != nil:
		return "waiting " + s.State.Waiting.Reason
	}
	return "nothing"
}

// last is how the container ended before.
func last(s *v1.ContainerStatus) string {
	return state(&v1.ContainerStatus{State: s.LastTerminationState})
}

// describe is a pod in one line.
func describe(pod *v1.Pod) string {
	if pod == nil {
		return "not in the API"
	}
	out := string(pod.Status.Phase)
	if pod.Status.Reason != "" {
		out += " (" + pod.Status.Reason + ": " + pod.Status.Message + ")"
	}
	if pod.DeletionTimestamp != nil {
		out += " deleted"
	}
	for _, s := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		out += fmt.Sprintf(", %s %s restarts=%d", s.Name, state(&s), s.RestartCount)
	}
	return out
}

// held is what the runtime has of a trial's pods.
type held struct {
	ready   map[string][]string // sandboxes that are ready, by the pod's name
	running map[string][]string // containers that run, by POD/CONTAINER
}

func (g *Ground) held(ctx context.Context, number int) (held, error) {
	h := held{map[string][]string{}, map[string][]string{}}
	ours := func(pod string) bool { return strings.HasSuffix(pod, fmt.Sprintf("-%d", number)) }
	sandboxes, err := g.runtime.ListPodSandbox(ctx, nil)
	if err != nil {
		return h, err
	}
	for _, s := range sandboxes {
		if pod := s.GetMetadata().GetName(); ours(pod) && s.State == runtimeapi.PodSandboxState_SANDBOX_READY {
			h.ready[pod] = append(h.ready[pod], s.Id)
		}
	}
	containers, err := g.runtime.ListContainers(ctx, nil)
	if err != nil {
		return h, err
	}
	for _, c := range containers {
		if pod := c.Labels["io.kubernetes.pod.name"]; ours(pod) && c.State == runtimeapi.ContainerState_CONTAINER_RUNNING {
			key := pod + "/" + c.GetMetadata().GetName()
			h.running[key] = append(h.running[key], c.Id)
		}
	}
	return h, nil
}

// twice is what the runtime has two of.
func (h held) twice() []string {
	var out []string
	for _, m := range []map[string][]string{h.ready, h.running} {
		for _, key := range slices.Sorted(maps.Keys(m)) {
			if len(m[key]) > 1 {
				out = append(out, fmt.Sprintf("%s is there %d times", key, len(m[key])))
			}
		}
	}
	return out
}
