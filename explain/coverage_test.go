package explain

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podling/podling/lifecycle/reason"
)

// benign are words that say that all goes well: nothing is to be blamed on them.
var benign = []string{
	"phase Succeeded", "phase Running",
	"condition PodCompleted", "condition UnknownContainerStatuses",
	"event Scheduled", "event Pulling", "event Pulled", "event Created", "event Started", "event ResizeCompleted", "event ResizeStarted",
	"node KubeletReady", "node KubeletHasSufficientMemory", "node KubeletHasNoDiskPressure", "node KubeletHasSufficientPID",
}

var conditionIn = regexp.MustCompile(`@\.type=="([^"]+)"\)\]\.(status|reason)`)

// Every word of lifecycle/reason, put where it is seen, is explained: its entry goes with the explanation,
// and the root cause is told. Words of good news are blamed for nothing.
func TestEveryWordHasARule(t *testing.T) {
	for _, r := range reason.All() {
		name := string(r.Kind) + " " + r.Name
		t.Run(name+" "+r.Where, func(t *testing.T) {
			e := seenIn(t, r)
			if slices.Contains(benign, name) {
				if e.Health == Unhealthy || e.Health == Unclear {
					t.Errorf("good news make it %s: %s", e.Health, e.Verdict)
				}
				return
			}
			if e.Cause == CauseUnclear || e.Cause == CauseNone {
				t.Errorf("no rule: %s (%s)", e.Verdict, e.Cause)
			}
			if !slices.ContainsFunc(e.Atlas, func(a Entry) bool { return a.Name == r.Name && a.Kind == r.Kind }) {
				t.Errorf("its entry is not among %+v: %s", e.Atlas, e.Verdict)
			}
			if strings.Count(e.Verdict, "\n") > 0 || !strings.HasSuffix(e.Verdict, ".") {
				t.Errorf("no sentence: %q", e.Verdict)
			}
		})
	}
}

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// seenIn explains a world in which a word stands where it is seen.
func seenIn(t *testing.T, r reason.Reason) Explanation {
	t.Helper()
	at := metav1.NewTime(noon.Add(-30 * time.Second))
	node := v1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n"}, Status: v1.NodeStatus{Conditions: []v1.NodeCondition{{Type: v1.NodeReady, Status: v1.ConditionTrue, Reason: "KubeletReady"}}}}
	pod := &v1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "p", Namespace: "default", CreationTimestamp: metav1.NewTime(noon.Add(-40 * time.Second))},
		Spec:       v1.PodSpec{NodeName: "n", RestartPolicy: v1.RestartPolicyAlways, Containers: []v1.Container{{Name: "main", Image: "app:1"}}},
		Status: v1.PodStatus{Phase: v1.PodRunning, Conditions: []v1.PodCondition{
			{Type: v1.PodScheduled, Status: v1.ConditionTrue}, {Type: v1.PodInitialized, Status: v1.ConditionTrue},
			{Type: v1.PodReadyToStartContainers, Status: v1.ConditionTrue}, {Type: v1.ContainersReady, Status: v1.ConditionTrue}, {Type: v1.PodReady, Status: v1.ConditionTrue}},
			ContainerStatuses: []v1.ContainerStatus{{Name: "main", Ready: true, ContainerID: "x", State: v1.ContainerState{Running: &v1.ContainerStateRunning{StartedAt: at}}}}},
	}
	w := World{Now: noon, Pod: pod, Nodes: []v1.Node{node}, Unseen: map[Part]string{}}
	set := func(kind v1.PodConditionType, status v1.ConditionStatus, why string) {
		pod.Status.Conditions = slices.DeleteFunc(pod.Status.Conditions, func(c v1.PodCondition) bool { return c.Type == kind })
		pod.Status.Conditions = append(pod.Status.Conditions, v1.PodCondition{Type: kind, Status: status, Reason: why, Message: "the message", LastTransitionTime: at})
	}
	main := &pod.Status.ContainerStatuses[0]
	// waits takes the pod back to where nothing of it was made.
	waits := func() {
		pod.Status.Phase = v1.PodPending
		*main = v1.ContainerStatus{Name: "main", State: v1.ContainerState{Waiting: &v1.ContainerStateWaiting{Reason: "ContainerCreating"}}}
		set(v1.PodReady, v1.ConditionFalse, "ContainersNotReady")
		set(v1.ContainersReady, v1.ConditionFalse, "ContainersNotReady")
		set(v1.PodReadyToStartContainers, v1.ConditionFalse, "")
	}
	unbound := func() {
		pod.Spec.NodeName, pod.Status = "", v1.PodStatus{Phase: v1.PodPending}
		set(v1.PodScheduled, v1.ConditionFalse, v1.PodReasonUnschedulable)
		pod.Spec.NodeSelector = map[string]string{"a": "b"}
	}
	init := func(reason string) {
		waits()
		set(v1.PodReadyToStartContainers, v1.ConditionTrue, "")
		set(v1.PodInitialized, v1.ConditionFalse, reason)
		main.State.Waiting.Reason = "PodInitializing"
		pod.Spec.InitContainers = []v1.Container{{Name: "i"}}
		pod.Status.InitContainerStatuses = []v1.ContainerStatus{{Name: "i", State: v1.ContainerState{Running: &v1.ContainerStateRunning{StartedAt: at}}}}
	}
	failed := func(terminated *v1.ContainerStateTerminated) {
		pod.Status.Phase = v1.PodFailed
		main.State = v1.ContainerState{Terminated: terminated}
	}
	bad := &v1.ContainerStateTerminated{ExitCode: 3, Reason: "Error", FinishedAt: at}
	switch r.Kind {
	case reason.Phase:
		pod.Status.Phase = v1.PodPhase(r.Name)
		switch pod.Status.Phase {
		case v1.PodPending:
			waits()
		case v1.PodFailed:
			failed(bad)
		case v1.PodUnknown:
			set(v1.PodReady, v1.ConditionFalse, "")
		}
	case reason.Condition:
		m := conditionIn.FindStringSubmatch(r.Where)
		if m == nil {
			t.Fatalf("where is %s?", r.Where)
		}
		kind, why := v1.PodConditionType(m[1]), r.Name
		if m[2] == "status" {
			why = map[string]string{"PodScheduled": "Unschedulable", "ContainersReady": "ContainersNotReady", "Ready": "ContainersNotReady",
				"Initialized": "ContainersNotInitialized", "DisruptionTarget": "EvictionByEvictionAPI", "PodResizePending": "Deferred"}[r.Name]
		}
		switch kind {
		case v1.PodScheduled:
			unbound()
			set(kind, v1.ConditionFalse, why)
			if why == v1.PodReasonSchedulingGated {
				pod.Spec.SchedulingGates = []v1.PodSchedulingGate{{Name: "g"}}
			}
		case v1.PodReadyToStartContainers:
			waits()
			set(kind, v1.ConditionFalse, why)
		case v1.PodInitialized:
			init(why)
		case v1.ContainersReady, v1.PodReady:
			switch why {
			case "PodFailed":
				failed(bad)
			case "PodCompleted":
				pod.Status.Phase = v1.PodSucceeded
			case "ReadinessGatesNotReady":
				pod.Spec.ReadinessGates = []v1.PodReadinessGate{{ConditionType: "g"}}
			case "UnknownContainerStatuses":
				pod.Status.ContainerStatuses = nil
				pod.CreationTimestamp = at
			default:
				main.Ready = false
				pod.Spec.Containers[0].ReadinessProbe = &v1.Probe{PeriodSeconds: 1, FailureThreshold: 1, ProbeHandler: v1.ProbeHandler{Exec: &v1.ExecAction{Command: []string{"x"}}}}
				set(v1.ContainersReady, v1.ConditionFalse, why)
			}
			set(v1.PodReady, v1.ConditionFalse, why)
		case v1.AllContainersRestarting:
			set(kind, v1.ConditionTrue, why)
			main.State = v1.ContainerState{Waiting: &v1.ContainerStateWaiting{Reason: "RestartingAllContainers"}}
		default:
			set(kind, v1.ConditionTrue, why)
		}
	case reason.Waiting:
		if r.Name == "PodInitializing" {
			init("ContainersNotInitialized")
			break
		}
		waits()
		set(v1.PodReadyToStartContainers, v1.ConditionTrue, "")
		main.State.Waiting = &v1.ContainerStateWaiting{Reason: r.Name, Message: "the message"}
		if r.Name == "CrashLoopBackOff" {
			main.LastTerminationState.Terminated = bad
		}
	case reason.Terminated:
		failed(&v1.ContainerStateTerminated{ExitCode: 3, Reason: r.Name, FinishedAt: at})
		if r.Name == "Completed" || r.Name == "RestartingAllContainers" {
			pod.Status.Phase = v1.PodRunning
			main.State.Terminated.ExitCode = 0
		}
	case reason.Pod:
		failed(bad)
		pod.Status.Reason, pod.Status.Message = r.Name, "the message"
	case reason.Event:
		w.Events = []v1.Event{{Reason: r.Name, Type: v1.EventTypeWarning, Message: "the message", LastTimestamp: at}}
		switch r.Name {
		case "FailedScheduling":
			unbound()
		case "SandboxChanged", "FailedKillPod", "DNSConfigForming", "InvalidFaults", "ResizeStarted", "LifecycleHTTPFallback", "ProbeWarning", "FailedPreStopHook", "FailedToRetrieveImagePullSecret",
			"Preempted", "Preempting", "TaintManagerEviction", "NotDeleted", "MultiplePodDisruptionBudgets", "FailedSync", "ExceededGracePeriod":
		case "ResizeDeferred", "ResizeInfeasible":
			set(v1.PodResizePending, v1.ConditionTrue, strings.TrimPrefix(r.Name, "Resize"))
		case "ResizeError":
			set(v1.PodResizeInProgress, v1.ConditionTrue, "Error")
		case "NodeNotReady":
			w.Nodes[0].Status.Conditions[0].Status, w.Nodes[0].Status.Conditions[0].Reason = v1.ConditionUnknown, "NodeStatusUnknown"
			set(v1.PodReady, v1.ConditionFalse, "")
		case "DeadlineExceeded", "Evicted":
			failed(bad)
			pod.Status.Reason = r.Name
		case "Killing":
			pod.Spec.Containers[0].LivenessProbe = &v1.Probe{}
			w.Events[0].Message = "Container main failed liveness probe, will be restarted"
			main.State = v1.ContainerState{Waiting: &v1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}}
			main.LastTerminationState.Terminated = &v1.ContainerStateTerminated{ExitCode: 137, StartedAt: metav1.NewTime(noon.Add(-2 * time.Minute)), FinishedAt: at}
		case "BackOff":
			w.Events[0].Message = "Back-off restarting failed container main"
			main.State = v1.ContainerState{Waiting: &v1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}}
			main.LastTerminationState.Terminated = bad
		case "Unhealthy":
			w.Events[0].Message = "Readiness probe failed: no"
			main.Ready = false
			pod.Spec.Containers[0].ReadinessProbe = &v1.Probe{ProbeHandler: v1.ProbeHandler{Exec: &v1.ExecAction{Command: []string{"x"}}}}
			set(v1.PodReady, v1.ConditionFalse, "ContainersNotReady")
		case "Failed", "InspectFailed", "ErrImageNeverPull", "FailedPostStartHook":
			waits()
			set(v1.PodReadyToStartContainers, v1.ConditionTrue, "")
			main.State.Waiting.Reason = map[string]string{"Failed": "RunContainerError", "InspectFailed": "InvalidImageName", "ErrImageNeverPull": "ErrImageNeverPull", "FailedPostStartHook": "PostStartHookError"}[r.Name]
		default:
			waits()
			pod.CreationTimestamp = at
		}
	case reason.Node:
		m := conditionIn.FindStringSubmatch(r.Where)
		if m == nil {
			t.Fatalf("where is %s?", r.Where)
		}
		status := v1.ConditionFalse
		switch r.Name {
		case "KubeletReady", "KubeletHasInsufficientMemory", "KubeletHasDiskPressure", "KubeletHasInsufficientPID":
			status = v1.ConditionTrue
		case "NodeStatusUnknown", "NodeStatusNeverUpdated":
			status = v1.ConditionUnknown
		}
		kind := v1.NodeConditionType(m[1])
		conditions := slices.DeleteFunc(node.Status.Conditions, func(c v1.NodeCondition) bool { return c.Type == kind })
		node.Status.Conditions = append(conditions, v1.NodeCondition{Type: kind, Status: status, Reason: r.Name, Message: "the message"})
		w.Nodes = []v1.Node{node}
		return Node(w, &node, nil)
	}
	return Pod(w)
}
