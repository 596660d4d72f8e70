package lifecycle

import (
	"time"

	v1 "k8s.io/api/core/v1"
)

// Plan is the answer of Decide.
type Plan struct {
	Status  v1.PodStatus // as it is to be reported
	Report  bool         // false while a pass is under way and nothing may be said
	Actions []Action     // one pass: carried out in order
	Events  []Event
	Wake    time.Time // the next moment at which time alone changes the answer; zero: none
	Cause   string    // what Wake waits for; without Wake, why nothing more will happen

	// Interrupt asks the node to give up the pass that is under way.
	Interrupt bool
	// Done: nothing is left to do for this pod, now or later.
	Done bool
}

// Verb is what an action does.
type Verb string

// The verbs, in the order in which a pod meets them.
const (
	MountVolumes    Verb = "mount volumes"
	CreateSandbox   Verb = "create sandbox"
	StartContainer  Verb = "start container"
	ResizePod       Verb = "resize pod"
	ResizeContainer Verb = "resize container"
	KillContainer   Verb = "kill container"
	RemoveContainer Verb = "remove container" // after killing it, if it runs
	StopPod         Verb = "stop pod"         // every container, then the sandboxes; the pod may go on in a new one
	KillPod         Verb = "kill pod"         // the same, for good
	CleanUp         Verb = "clean up"         // volumes, folders, cgroups
	DeletePod       Verb = "delete pod"       // from the API, with grace period 0
)

// Action is one thing to do.
type Action struct {
	Verb      Verb
	Container string // its name
	ID        string // container or sandbox
	Attempt   uint32 // of the sandbox
	Restarts  int32  // restartCount of the container to start
	Grace     int64  // seconds between SIGTERM and SIGKILL
	Message   string // of the Killing event; "" is the usual one
	Cause     string // why, in words for a person

	// Backoff is to be kept for the container once it is started again.
	Backoff *Backoff
	// Needed: if this fails, the rest of the pass is not begun.
	Needed bool
}

// Event is a Kubernetes Event about the pod or one of its containers.
type Event struct {
	Type      string // Normal or Warning
	Reason    string
	Message   string
	Container string // its name, "" for the pod
}

// wakeAt moves the plan's next wake-up forward to t if t comes first.
func (p *Plan) wakeAt(t time.Time, cause string) {
	if p.Wake.IsZero() || t.Before(p.Wake) {
		p.Wake, p.Cause = t, cause
	}
}
