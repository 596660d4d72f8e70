package explain

// A rule looks for one kind of trouble; nil means that it is not this one.
type rule func(*look) *finding

// rules are asked in this order, which is that in which one thing hinders the next:
// what is deleted is no longer started, what has no node has no containers, and a
// container is not probed before it runs. The first that finds something has the root.
var rules = []rule{
	gone,
	deleting,
	rejected,
	endedBySystem,
	finished,
	gated,
	unscheduled,
	silentNode,
	invalidSpec,
	devices,
	volumes,
	sandbox,
	initContainers,
	containers,
	readinessGates,
	unreported,
	well,
}

// asides are about what does not keep a pod from running. They are told besides, or if
// nothing else is to be said.
var asides = []rule{
	resizing,
	disruption,
	unevictable,
	unmatchedService,
	sayings,
}

// The root causes by name, for programs.
const (
	CauseNone    = "None"
	CauseUnclear = "Unclear"

	CauseDeleted        = "Deleted"
	CauseFinalizer      = "Finalizer"
	CauseGracePeriod    = "GracePeriod"
	CauseStuckKill      = "StuckKill"
	CauseNodeGone       = "NodeGone"
	CauseNodeSilent     = "NodeSilent"
	CauseNodeNotReady   = "NodeNotReady"
	CauseNodePressure   = "NodePressure"
	CauseNodeShutdown   = "NodeShutdown"
	CauseTaint          = "Taint"
	CauseEvictedByAPI   = "EvictedByAPI"
	CausePreempted      = "Preempted"
	CauseDeadline       = "Deadline"
	CauseStorageLimit   = "StorageLimit"
	CauseRejected       = "Rejected" // with the node's own word behind it: Rejected/OutOfcpu
	CauseSchedulingGate = "SchedulingGate"

	CauseNoNodes           = "NoNodes"
	CauseTooLarge          = "TooLarge"
	CauseNoRoom            = "NoRoom"
	CauseNodeSelector      = "NodeSelector"
	CauseAffinity          = "Affinity"
	CauseCordoned          = "Cordoned"
	CauseHostPort          = "HostPort"
	CauseTopologySpread    = "TopologySpread"
	CauseNoFit             = "NoFit" // several of these on several nodes
	CauseVolumeElsewhere   = "VolumeElsewhere"
	CauseSchedulerError    = "SchedulerError"
	CauseNoScheduler       = "NoScheduler"
	CauseClaimMissing      = "ClaimMissing"
	CauseClaimPending      = "ClaimPending"
	CauseClassMissing      = "StorageClassMissing"
	CauseClaimLost         = "ClaimLost"
	CauseClaimDeleting     = "ClaimDeleting"
	CauseConfigMapMissing  = "ConfigMapMissing"
	CauseSecretMissing     = "SecretMissing"
	CauseKeyMissing        = "KeyMissing"
	CauseHostPath          = "HostPath"
	CauseAttach            = "Attach"
	CauseDriverMissing     = "DriverMissing"
	CauseMount             = "Mount"
	CauseSandbox           = "Sandbox"
	CauseRuntimeClass      = "RuntimeClass"
	CauseNetwork           = "Network"
	CauseCgroup            = "Cgroup"
	CauseDevices           = "Devices"
	CauseInvalidManifest   = "InvalidManifest"
	CauseImageName         = "ImageName"
	CauseImageMissing      = "ImageMissing"
	CauseImageUnauthorized = "ImageUnauthorized"
	CauseImageArchitecture = "ImageArchitecture"
	CauseImageNeverPull    = "ImageNeverPull"
	CauseImageSignature    = "ImageSignature"
	CauseImageStore        = "ImageStore"
	CauseRegistryLimit     = "RegistryLimit"
	CauseRegistryDown      = "RegistryDown"
	CauseRegistryTLS       = "RegistryTLS"
	CausePull              = "Pull"
	CausePulling           = "Pulling"

	CauseRunAsNonRoot   = "RunAsNonRoot"
	CauseSubPath        = "SubPath"
	CauseSimScript      = "SimScript"
	CauseConfig         = "ContainerConfig"
	CauseNoCommand      = "NoCommand"
	CauseCreate         = "ContainerCreate"
	CauseNodeManager    = "NodeManager"
	CauseCommandMissing = "CommandMissing"
	CausePermission     = "PermissionDenied"
	CauseWorkingDir     = "WorkingDir"
	CauseMemoryTooSmall = "MemoryTooSmall"
	CauseStart          = "ContainerStart"
	CausePostStartHook  = "PostStartHook"

	CauseOOM               = "OOMKilled"
	CauseExit              = "Exit"
	CauseSignal            = "Signal"
	CauseCompleted         = "Completed"
	CauseLiveness          = "LivenessProbe"
	CauseStartup           = "StartupProbe"
	CauseReadiness         = "ReadinessProbe"
	CauseContainerLost     = "ContainerLost"
	CauseRestartAll        = "RestartAllContainers"
	CauseInitRunning       = "InitRunning"
	CauseReadinessGate     = "ReadinessGate"
	CauseResizeDeferred    = "ResizeDeferred"
	CauseResizeInfeasible  = "ResizeInfeasible"
	CauseResizeError       = "ResizeError"
	CauseBudget            = "DisruptionBudget"
	CauseService           = "ServiceSelector"
	CauseFaults            = "InvalidFaults"
	CauseDNS               = "DNS"
	CauseHook              = "PreStopHook"
	CausePullSecret        = "PullSecretMissing"
	CauseProbeRedirect     = "ProbeRedirect"
	CauseHTTPFallback      = "HTTPFallback"
	CauseSandboxChanged    = "SandboxChanged"
	CauseResizing          = "Resizing"
	CauseQuota             = "Quota"
	CauseQuotaRequires     = "QuotaRequires"
	CauseLimitRange        = "LimitRange"
	CausePodSecurity       = "PodSecurity"
	CauseWebhook           = "Webhook"
	CausePolicy            = "AdmissionPolicy"
	CauseServiceAccount    = "ServiceAccountMissing"
	CausePriorityClass     = "PriorityClassMissing"
	CauseForbidden         = "Forbidden"
	CauseInvalidPod        = "InvalidPod"
	CauseNamespace         = "NamespaceTerminating"
	CauseScaledToZero      = "ScaledToZero"
	CausePaused            = "Paused"
	CauseSuspended         = "Suspended"
	CauseBackoffLimit      = "BackoffLimit"
	CauseProgressDeadline  = "ProgressDeadline"
	CauseNoMatchingNode    = "NoMatchingNode"
	CauseSchedule          = "Schedule"
	CauseContainerNotReady = "ContainerNotReady"
)
