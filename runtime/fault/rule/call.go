package rule

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Call is what a rule strikes: a call of the CRI by the name it has there, a
// step of the node's own, or a state of the runtime.
type Call string

// The calls that are made for a pod.
const (
	RunPodSandbox             Call = "RunPodSandbox"
	StopPodSandbox            Call = "StopPodSandbox"
	RemovePodSandbox          Call = "RemovePodSandbox"
	PodSandboxStatus          Call = "PodSandboxStatus"
	ListPodSandbox            Call = "ListPodSandbox"
	UpdatePodSandboxResources Call = "UpdatePodSandboxResources"
	PortForward               Call = "PortForward"
	CreateContainer           Call = "CreateContainer"
	StartContainer            Call = "StartContainer"
	StopContainer             Call = "StopContainer"
	RemoveContainer           Call = "RemoveContainer"
	ContainerStatus           Call = "ContainerStatus"
	ListContainers            Call = "ListContainers"
	UpdateContainerResources  Call = "UpdateContainerResources"
	ReopenContainerLog        Call = "ReopenContainerLog"
	ExecSync                  Call = "ExecSync"
	Exec                      Call = "Exec"
	Attach                    Call = "Attach"
	CheckpointContainer       Call = "CheckpointContainer"
	ContainerStats            Call = "ContainerStats"
	PodSandboxStats           Call = "PodSandboxStats"
	ImageStatus               Call = "ImageStatus"
	PullImage                 Call = "PullImage"
)

// The node's own steps: those around making a container (upstream:
// InternalContainerLifecycle in pkg/kubelet/cm/internal_container_lifecycle.go),
// and making the pod's cgroup.
const (
	PreCreateContainer Call = "PreCreateContainer"
	PreStartContainer  Call = "PreStartContainer"
	EnsurePodCgroup    Call = "EnsurePodCgroup"
)

// The calls that are made for the node as a whole.
const (
	Version               Call = "Version"
	Status                Call = "Status"
	RuntimeConfig         Call = "RuntimeConfig"
	UpdateRuntimeConfig   Call = "UpdateRuntimeConfig"
	GetContainerEvents    Call = "GetContainerEvents"
	ListContainerStats    Call = "ListContainerStats"
	ListPodSandboxStats   Call = "ListPodSandboxStats"
	ListMetricDescriptors Call = "ListMetricDescriptors"
	ListPodSandboxMetrics Call = "ListPodSandboxMetrics"
	ListImages            Call = "ListImages"
	RemoveImage           Call = "RemoveImage"
	ImageFsInfo           Call = "ImageFsInfo"
)

// The states: RuntimeDown strikes every call, and NetworkNotReady what the
// runtime says of its network. Between the node and the API server nothing passes
// with NodeUnreachable; with APIServerUnreachable the API server still reaches the
// node's port.
const (
	RuntimeDown          Call = "RuntimeDown"
	NetworkNotReady      Call = "NetworkNotReady"
	NodeUnreachable      Call = "NodeUnreachable"
	APIServerUnreachable Call = "APIServerUnreachable"
)

// scope is for whom a call is made.
type scope int

const (
	ofPod scope = iota
	step        // of the node's own, for a pod
	ofNode
	state
)

var scopes = func() map[Call]scope {
	out := map[Call]scope{}
	for s, calls := range map[scope][]Call{
		ofPod: {RunPodSandbox, StopPodSandbox, RemovePodSandbox, PodSandboxStatus, ListPodSandbox, UpdatePodSandboxResources,
			PortForward, CreateContainer, StartContainer, StopContainer, RemoveContainer, ContainerStatus, ListContainers,
			UpdateContainerResources, ReopenContainerLog, ExecSync, Exec, Attach, CheckpointContainer, ContainerStats,
			PodSandboxStats, ImageStatus, PullImage},
		step: {PreCreateContainer, PreStartContainer, EnsurePodCgroup},
		ofNode: {Version, Status, RuntimeConfig, UpdateRuntimeConfig, GetContainerEvents, ListContainerStats, ListPodSandboxStats,
			ListMetricDescriptors, ListPodSandboxMetrics, ListImages, RemoveImage, ImageFsInfo},
		state: {RuntimeDown, NetworkNotReady, NodeUnreachable, APIServerUnreachable},
	} {
		for _, c := range calls {
			out[c] = s
		}
	}
	return out
}()

// Calls are all that a rule may strike, sorted by name.
func Calls() []Call { return slices.Sorted(maps.Keys(scopes)) }

// ForPod: the call is made for some pod. There is such a call.
func (c Call) ForPod() bool { return scopes[c] == ofPod || scopes[c] == step }

// Step: it is a step of the node's own, and not a call.
func (c Call) Step() bool { return scopes[c] == step }

// State: it is a state of the runtime, and not a call.
func (c Call) State() bool { return scopes[c] == state }

// Cuts: the state is of the way between the node and its API server.
func (c Call) Cuts() bool { return c == NodeUnreachable || c == APIServerUnreachable }

// check says whether there is such a call.
func (c Call) check() error {
	if _, ok := scopes[c]; ok {
		return nil
	}
	for _, other := range Calls() {
		if strings.EqualFold(string(c), string(other)) {
			return fmt.Errorf("call %q does not exist; do you mean %s?", string(c), other)
		}
	}
	if c == "" {
		return fmt.Errorf("call is missing; there are %s", list())
	}
	return fmt.Errorf("call %q does not exist; there are %s", string(c), list())
}

func list() string {
	var words []string
	for _, c := range Calls() {
		words = append(words, string(c))
	}
	return strings.Join(words, ", ")
}
