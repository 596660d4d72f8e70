package conformance

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"
)

// A State is the part of a pod that two faithful clusters show alike, made of the
// values that encoding/json decodes to, so that one made from a live pod and one
// read from a file compare equal.
type State map[string]any

// stateOf takes from a pod what must agree between clusters; see [Recording] for
// the format.
func stateOf(pod *v1.Pod) State {
	status := &pod.Status
	s := State{
		"phase":      string(status.Phase),
		"qosClass":   string(status.QOSClass),
		"conditions": conditionTexts(status.Conditions),
		"set":        addressesSet(status),
		"generation": []any{numberOrNull(pod.Generation), numberOrNull(status.ObservedGeneration)},
	}
	if status.Reason != "" {
		s["reason"] = status.Reason
	}
	if status.Message != "" {
		s["message"] = clean(status.Message, "")
	}
	for key, list := range map[string][]v1.ContainerStatus{
		"initContainerStatuses":      status.InitContainerStatuses,
		"containerStatuses":          status.ContainerStatuses,
		"ephemeralContainerStatuses": status.EphemeralContainerStatuses,
	} {
		if len(list) > 0 {
			s[key] = containerTexts(list)
		}
	}
	if pod.DeletionTimestamp != nil {
		s["deleting"] = nil
		if grace := pod.DeletionGracePeriodSeconds; grace != nil {
			s["deleting"] = float64(*grace)
		}
	}
	if len(pod.Finalizers) > 0 {
		s["finalizers"] = anys(pod.Finalizers)
	}
	return s
}

// numberOrNull is a generation as JSON has it: left out, and so null, while zero.
func numberOrNull(n int64) any {
	if n == 0 {
		return nil
	}
	return float64(n)
}

func anys(words []string) []any {
	list := make([]any, len(words))
	for i, w := range words {
		list[i] = w
	}
	return list
}

// addressesSet names the fields that have a value; the values themselves differ
// from run to run.
func addressesSet(s *v1.PodStatus) []any {
	set := []any{}
	for _, f := range []struct {
		name string
		has  bool
	}{
		{"startTime", s.StartTime != nil},
		{"hostIP", s.HostIP != ""},
		{"hostIPs", len(s.HostIPs) > 0},
		{"podIP", s.PodIP != ""},
		{"podIPs", len(s.PodIPs) > 0},
		{"podIP=hostIP", s.PodIP != "" && s.PodIP == s.HostIP},
	} {
		if f.has {
			set = append(set, f.name)
		}
	}
	return set
}

// conditionTexts is each condition as "Status/Reason: message".
func conditionTexts(conditions []v1.PodCondition) map[string]any {
	texts := map[string]any{}
	for _, c := range slices.SortedStableFunc(slices.Values(conditions), func(a, b v1.PodCondition) int {
		return cmp.Compare(a.Type, b.Type)
	}) {
		text := string(c.Status)
		if c.Reason != "" {
			text += "/" + c.Reason
		}
		if c.Message != "" {
			text += ": " + clean(c.Message, c.Reason)
		}
		texts[string(c.Type)] = text
	}
	return texts
}

// containerTexts is each container's status as one line.
func containerTexts(statuses []v1.ContainerStatus) map[string]any {
	texts := map[string]any{}
	for _, c := range statuses {
		var b strings.Builder
		b.WriteString(containerState(c.State))
		if last := containerState(c.LastTerminationState); last != "" {
			b.WriteString(" | last " + last)
		}
		started := "None"
		if c.Started != nil {
			started = boolWord(*c.Started)
		}
		fmt.Fprintf(&b, " | ready=%s started=%s restarts=%d imageID=%s containerID=%s",
			boolWord(c.Ready), started, c.RestartCount, setWord(c.ImageID), setWord(c.ContainerID))
		texts[c.Name] = b.String()
	}
	return texts
}

// containerState is "kind/Reason exit=N signal=N: message", or nothing where no
// state is given.
func containerState(s v1.ContainerState) string {
	switch {
	case s.Waiting != nil:
		return withMessage(withReason("waiting", s.Waiting.Reason), s.Waiting.Message, s.Waiting.Reason)
	case s.Running != nil:
		return "running"
	case s.Terminated != nil:
		t := s.Terminated
		text := fmt.Sprintf("%s exit=%d", withReason("terminated", t.Reason), t.ExitCode)
		if t.Signal != 0 {
			text += fmt.Sprintf(" signal=%d", t.Signal)
		}
		return withMessage(text, t.Message, t.Reason)
	}
	return ""
}

func withReason(kind, reason string) string {
	if reason == "" {
		return kind
	}
	return kind + "/" + reason
}

func withMessage(text, message, reason string) string {
	if message == "" {
		return text
	}
	return text + ": " + clean(message, reason)
}

// boolWord is how the recordings spell a truth value.
func boolWord(b bool) string {
	if b {
		return "True"
	}
	return "False"
}

func setWord(id string) string {
	if id == "" {
		return "none"
	}
	return "set"
}
