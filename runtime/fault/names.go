package fault

import (
	v1 "k8s.io/api/core/v1"

	"github.com/podling/podling/runtime/fault/rule"
)

// The rules and what goes with them are data, and have a package of their own:
// who only says what is to fail, as a test does, need not link what makes it so.
type (
	// Rule says which calls suffer, and what.
	Rule = rule.Rule
	// Call is what a rule strikes.
	Call = rule.Call
	// Fault is a rule in force.
	Fault = rule.Fault
)

// Annotation of a pod holds rules for the calls made for it, as a YAML list.
const Annotation = rule.Annotation

// InvalidFaults is the Event of a pod whose annotation cannot be read.
const InvalidFaults = rule.InvalidFaults

// Calls are all that a rule may strike, sorted by name.
func Calls() []Call { return rule.Calls() }

// Parse reads one rule, in YAML or JSON; fields that do not exist are an error.
func Parse(text []byte) (Rule, error) { return rule.Parse(text) }

// OfPod are the rules of the pod's annotation, as rule.OfPod has it.
func OfPod(pod *v1.Pod) ([]Rule, error) { return rule.OfPod(pod) }

// The calls that are made for a pod.
const (
	RunPodSandbox             = rule.RunPodSandbox
	StopPodSandbox            = rule.StopPodSandbox
	RemovePodSandbox          = rule.RemovePodSandbox
	PodSandboxStatus          = rule.PodSandboxStatus
	ListPodSandbox            = rule.ListPodSandbox
	UpdatePodSandboxResources = rule.UpdatePodSandboxResources
	PortForward               = rule.PortForward
	CreateContainer           = rule.CreateContainer
	StartContainer            = rule.StartContainer
	StopContainer             = rule.StopContainer
	RemoveContainer           = rule.RemoveContainer
	ContainerStatus           = rule.ContainerStatus
	ListContainers            = rule.ListContainers
	UpdateContainerResources  = rule.UpdateContainerResources
	ReopenContainerLog        = rule.ReopenContainerLog
	ExecSync                  = rule.ExecSync
	Exec                      = rule.Exec
	Attach                    = rule.Attach
	CheckpointContainer       = rule.CheckpointContainer
	ContainerStats            = rule.ContainerStats
	PodSandboxStats           = rule.PodSandboxStats
	ImageStatus               = rule.ImageStatus
	PullImage                 = rule.PullImage
)

// The node's own steps: those around making a container (upstream:
// InternalContainerLifecycle in pkg/kubelet/cm/internal_container_lifecycle.go),
// and making the pod's cgroup.
const (
	PreCreateContainer = rule.PreCreateContainer
	PreStartContainer  = rule.PreStartContainer
	EnsurePodCgroup    = rule.EnsurePodCgroup
)

// The calls that are made for the node as a whole.
const (
	Version               = rule.Version
	Status                = rule.Status
	RuntimeConfig         = rule.RuntimeConfig
	UpdateRuntimeConfig   = rule.UpdateRuntimeConfig
	GetContainerEvents    = rule.GetContainerEvents
	ListContainerStats    = rule.ListContainerStats
	ListPodSandboxStats   = rule.ListPodSandboxStats
	ListMetricDescriptors = rule.ListMetricDescriptors
	ListPodSandboxMetrics = rule.ListPodSandboxMetrics
	ListImages            = rule.ListImages
	RemoveImage           = rule.RemoveImage
	ImageFsInfo           = rule.ImageFsInfo
)

// The states of the runtime, and of the way to the API server.
const (
	RuntimeDown          = rule.RuntimeDown
	NetworkNotReady      = rule.NetworkNotReady
	NodeUnreachable      = rule.NodeUnreachable
	APIServerUnreachable = rule.APIServerUnreachable
)
