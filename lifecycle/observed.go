package lifecycle

import (
	"time"

	v1 "k8s.io/api/core/v1"
)

// Observed is everything the node knows about one pod at one moment. The zero
// value is a pod that was never touched.
type Observed struct {
	HostIPs []string  // the node's addresses, the primary one first
	Since   time.Time // when the node began to look

	Sandboxes  []Sandbox         // newest first
	Containers []Container       // every container of the pod, newest first
	Probes     map[string]Probes // by container ID

	Volumes  Volumes
	Failures map[string]*Failure  // last failed start, by container name
	Sandbox  *Failure             // the last attempt to make a sandbox, if it failed
	Backoffs map[string]Backoff   // restart back-off, by container name
	Pulls    map[string]ImagePull // failed image pulls, by image as the spec names it

	RecursiveReadOnly bool // what runs the pod can make mounts read-only with all below them

	Stopped map[string]bool // containers that the node itself ended, by ID

	Runtime string // why the container runtime is not there; "" if it is
	Network string // why the network is not ready; "" if it is

	Reported *v1.PodStatus // the last status that the node reported; nil before the first
	Pass     []Action      // what is being carried out right now

	Given    *v1.ResourceRequirements // what the pod as a whole was given; nil if that is not known
	Resize   *Rejection               // why the resize that the API's spec asks for has to wait; the pod has what it was given
	Asked    *v1.Pod                  // the pod with what it asks for, while that has to wait
	Resized  int64                    // the generation with which the pod was last given other resources
	Rejected *Rejection               // the node did not take the pod
	Started  string                   // ID of the container that came up last, with this node looking on

	Gone    bool      // the pod is no longer in the API
	Evict   *Eviction // the node wants the pod to end
	Killed  bool      // every container and sandbox was stopped for good
	CleanUp *Failure  // the last attempt to take volumes, folders and cgroups away, if it failed
	Cleaned bool      // volumes, folders and cgroups are gone too
}

// Sandbox is a pod sandbox as the runtime reports it.
type Sandbox struct {
	ID          string
	Attempt     uint32
	Ready       bool
	HostNetwork bool
	IPs         []string
	CreatedAt   time.Time
	LostAt      time.Time // when the node saw that it is no longer ready, if it did not end it itself
}

// ContainerState is the runtime's own word for what a container does.
type ContainerState string

// The container states of the CRI (k8s.io/cri-api, ContainerState).
const (
	Created ContainerState = "created"
	Running ContainerState = "running"
	Exited  ContainerState = "exited"
	Unknown ContainerState = "unknown"
)

// Container is one container, dead or alive, as the runtime reports it.
type Container struct {
	ID           string // with the runtime's name: containerd://…
	Name         string
	SandboxID    string
	Image        string
	ImageID      string
	Hash         string // Hash of the spec it was made from
	State        ContainerState
	RestartCount int32
	CreatedAt    time.Time
	StartedAt    time.Time
	FinishedAt   time.Time
	ExitCode     int32
	Reason       string
	Message      string
	User         *v1.ContainerUser
	Resources    *v1.ResourceRequirements // what the runtime enforces; nil if it does not say
}

// Probes holds a running container's probe results; nil is "not known yet".
type Probes struct {
	Started, Ready, Live *bool
}

// Volumes says how far the pod's volumes are.
type Volumes struct {
	Mounted bool
	Failure *Failure
}

// Failure is an attempt that did not work.
type Failure struct {
	Reason   string // the API's reason, such as ErrImagePull
	Message  string
	Image    string // the container's image as the spec named it
	Pull     string // the image whose pull failed: the container's, or one of its image volumes'
	Attempts int    // in a row
	At       time.Time
	Reported bool   // a status that shows it has been reported
	Exited   string // the container that the attempt left behind, dead; "" if none
}

// ImagePull is what is known about an image that could not be pulled.
type ImagePull struct {
	Backoff Backoff
	Reason  string // ErrImagePull, RegistryUnavailable, SignatureValidationFailed
	Message string
}

// Eviction is the node's wish to end a pod, with what its status shall say.
type Eviction struct {
	Reason, Message string
	Grace           *int64 // seconds, instead of the pod's own
	Condition       *v1.PodCondition
}

// newest is the newest container of that name, or nil.
func (o *Observed) newest(name string) *Container {
	for i := range o.Containers {
		if o.Containers[i].Name == name {
			return &o.Containers[i]
		}
	}
	return nil
}

// anyRunning says whether a process of the pod may still be alive.
func (o *Observed) anyRunning() bool {
	for i := range o.Containers {
		if s := o.Containers[i].State; s == Running || s == Unknown {
			return true
		}
	}
	return false
}
