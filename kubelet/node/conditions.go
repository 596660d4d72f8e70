package node

import (
	"errors"
	"slices"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	nodeutil "k8s.io/component-helpers/node/util"
)

// saying is how a condition puts one of its statuses.
type saying struct{ reason, message, event string }

// Upstream's words (pkg/kubelet/nodestatus/setters.go).
var (
	pressureSayings = map[v1.NodeConditionType]map[v1.ConditionStatus]saying{
		v1.NodeMemoryPressure: {
			v1.ConditionTrue:  {"KubeletHasInsufficientMemory", "kubelet has insufficient memory available", "NodeHasInsufficientMemory"},
			v1.ConditionFalse: {"KubeletHasSufficientMemory", "kubelet has sufficient memory available", "NodeHasSufficientMemory"},
		},
		v1.NodeDiskPressure: {
			v1.ConditionTrue:  {"KubeletHasDiskPressure", "kubelet has disk pressure", "NodeHasDiskPressure"},
			v1.ConditionFalse: {"KubeletHasNoDiskPressure", "kubelet has no disk pressure", "NodeHasNoDiskPressure"},
		},
		v1.NodePIDPressure: {
			v1.ConditionTrue:  {"KubeletHasInsufficientPID", "kubelet has insufficient PID available", "NodeHasInsufficientPID"},
			v1.ConditionFalse: {"KubeletHasSufficientPID", "kubelet has sufficient PID available", "NodeHasSufficientPID"},
		},
	}
	readySaying    = saying{"KubeletReady", "kubelet is posting ready status", "NodeReady"}
	notReadySaying = saying{reason: "KubeletNotReady", event: "NodeNotReady"}
)

// conditions are the node's own conditions after what was seen; those of others among old stay. Ready
// is the last of its own, as clients of old expect.
func conditions(old []v1.NodeCondition, s seen, now time.Time) []v1.NodeCondition {
	list := append([]v1.NodeCondition(nil), old...)
	for _, kind := range []v1.NodeConditionType{v1.NodeMemoryPressure, v1.NodeDiskPressure, v1.NodePIDPressure} {
		status := conditionStatus(slices.Contains(s.short, kind))
		list = set(list, kind, status, pressureSayings[kind][status], now)
	}
	message := s.notReady()
	said := readySaying
	if message != "" {
		said = notReadySaying
		said.message = message
	}
	return set(list, v1.NodeReady, conditionStatus(message == ""), said, now)
}

// notReady is what keeps the node from being ready; "" if nothing does.
func (s seen) notReady() string {
	ending := ""
	if s.ending {
		ending = "node is shutting down"
	}
	var errs []error
	for _, text := range []string{s.runtime.state.RuntimeError, s.runtime.state.NetworkError, ending} {
		if text != "" {
			errs = append(errs, errors.New(text))
		}
	}
	if len(errs) == 0 {
		return ""
	}
	return utilerrors.NewAggregate(errs).Error()
}

// set puts a condition into the list, or renews it there.
func set(list []v1.NodeCondition, kind v1.NodeConditionType, status v1.ConditionStatus, said saying, now time.Time) []v1.NodeCondition {
	condition := v1.NodeCondition{
		Type: kind, Status: status, Reason: said.reason, Message: said.message,
		LastHeartbeatTime: metav1.NewTime(now), LastTransitionTime: metav1.NewTime(now),
	}
	i, old := nodeutil.GetNodeCondition(&v1.NodeStatus{Conditions: list}, kind)
	if old == nil {
		return append(list, condition)
	}
	if old.Status == status {
		condition.LastTransitionTime = old.LastTransitionTime
	}
	list[i] = condition
	return list
}

// transitions are the reasons of the events that the step from one status to the next deserves.
func transitions(old, new *v1.NodeStatus) []string {
	var reasons []string
	for i := range new.Conditions {
		c := &new.Conditions[i]
		_, before := nodeutil.GetNodeCondition(old, c.Type)
		if before != nil && before.Status == c.Status {
			continue
		}
		switch said, own := pressureSayings[c.Type]; {
		case own:
			reasons = append(reasons, said[c.Status].event)
		case c.Type == v1.NodeReady && c.Status == v1.ConditionTrue:
			reasons = append(reasons, readySaying.event)
		case c.Type == v1.NodeReady && before != nil:
			reasons = append(reasons, notReadySaying.event)
		}
	}
	return reasons
}

func conditionStatus(yes bool) v1.ConditionStatus {
	if yes {
		return v1.ConditionTrue
	}
	return v1.ConditionFalse
}
