package lifecycle

import (
	"fmt"
	"strings"
	"time"

	v1 "k8s.io/api/core/v1"
)

// The reasons of a start that failed (upstream: pkg/kubelet/images/types.go,
// pkg/kubelet/kuberuntime, pkg/kubelet/container/sync_result.go and
// k8s.io/cri-api/pkg/errors).
const (
	InvalidImageName           = "InvalidImageName"
	ImageInspectError          = "ImageInspectError"
	ErrImageNeverPull          = "ErrImageNeverPull"
	ErrImagePull               = "ErrImagePull"
	RegistryUnavailable        = "RegistryUnavailable"
	SignatureValidationFailed  = "SignatureValidationFailed"
	CreateContainerConfigError = "CreateContainerConfigError"
	PreCreateHookError         = "PreCreateHookError"
	CreateContainerError       = "CreateContainerError"
	PreStartHookError          = "PreStartHookError"
	RunContainerError          = "RunContainerError"
	PostStartHookError         = "PostStartHookError"
)

// Image is what is known in the course of getting an image there. Each of the
// results is nil until its step was done.
type Image struct {
	InvalidName string  // why the image's name cannot be read; "" if it can
	Local       *Result // is the image there: ID is its reference, "" if it is not
	Pull        *Pull
}

// Start is what is known in the course of starting one container, once its
// images are there.
type Start struct {
	Config    *Result // the container's configuration
	PreCreate *Result // the node's own step before the container is made
	Create    *Result // ID is the container's
	PreStart  *Result // the node's own step before it is started
	Run       *Result
	PostStart *Result
}

// Result is what came of a step.
type Result struct {
	ID  string
	Err string
}

// Pull is what came of pulling the image.
type Pull struct {
	Result
	Took        time.Duration // the pull itself
	Waited      time.Duration // with the time that it stood in line
	Size        uint64        // bytes
	Unavailable bool          // the registry could not be reached at all
}

// StepVerb is what is to be done next to start a container.
type StepVerb string

// The steps, in their order; getting an image ends with ImageReady or
// StartFailed, a start with one of the last two.
const (
	InspectImage    StepVerb = "inspect image"
	PullImage       StepVerb = "pull image"
	ImageReady      StepVerb = "image is there"
	Configure       StepVerb = "configure container"
	PreCreate       StepVerb = "run PreCreateContainer"
	CreateContainer StepVerb = "create container"
	PreStart        StepVerb = "run PreStartContainer"
	RunContainer    StepVerb = "run container"
	RunPostStart    StepVerb = "run postStart hook"
	StartFailed     StepVerb = "failed"
	StartDone       StepVerb = "done"
)

// Step is the answer of ImageStep and NextStep.
type Step struct {
	Verb            StepVerb
	Reason, Message string  // of a start that failed
	Events          []Event // that the last step brought about
	PullFailed      bool    // the image's back-off begins, or goes on
	Kill            bool    // the container runs and has to be stopped
}

// NextStep says what is to be done next to start the container, given what is
// known (upstream: startContainer in
// pkg/kubelet/kuberuntime/kuberuntime_container.go).
func NextStep(c *v1.Container, s Start) Step {
	switch {
	case s.PostStart != nil:
		if s.PostStart.Err != "" {
			step := failure(c, PostStartHookError, s.PostStart.Err)
			// The hook's output may hold secrets: it goes into the status of the pod's owner, not into an Event.
			step.Events = events(c, v1.EventTypeWarning, "FailedPostStartHook", "PostStartHook failed")
			step.Kill = true
			return step
		}
		return Step{Verb: StartDone}
	case s.Run != nil:
		if s.Run.Err != "" {
			return failure(c, RunContainerError, s.Run.Err)
		}
		started := events(c, v1.EventTypeNormal, "Started", "Container started")
		if c.Lifecycle != nil && c.Lifecycle.PostStart != nil {
			return Step{Verb: RunPostStart, Events: started}
		}
		return Step{Verb: StartDone, Events: started}
	case s.PreStart != nil:
		if s.PreStart.Err != "" {
			return internal(c, PreStartHookError, "PreStartContainer", s.PreStart.Err)
		}
		return Step{Verb: RunContainer, Events: events(c, v1.EventTypeNormal, "Created", "Container created")}
	case s.Create != nil:
		if s.Create.Err != "" {
			return failure(c, CreateContainerError, s.Create.Err)
		}
		return Step{Verb: PreStart}
	case s.PreCreate != nil:
		if s.PreCreate.Err != "" {
			return internal(c, PreCreateHookError, "PreCreateContainer", s.PreCreate.Err)
		}
		return Step{Verb: CreateContainer}
	case s.Config != nil:
		if s.Config.Err != "" {
			return failure(c, CreateContainerConfigError, s.Config.Err)
		}
		return Step{Verb: PreCreate}
	}
	return Step{Verb: Configure}
}

// ImageStep says what is to be done next to get the container's image there
// (upstream: EnsureImageExists in pkg/kubelet/images/image_manager.go).
func ImageStep(c *v1.Container, s Image, pulls map[string]ImagePull, now time.Time) Step {
	switch {
	case s.InvalidName != "":
		message := fmt.Sprintf("Failed to apply default image tag %q: couldn't parse image name %q: %s", c.Image, c.Image, s.InvalidName)
		return failure(c, InvalidImageName, message, Event{Type: v1.EventTypeWarning, Reason: "InspectFailed", Message: message})
	case s.Pull != nil:
		return afterPull(c, s.Pull)
	case c.ImagePullPolicy == v1.PullAlways:
	case s.Local == nil:
		return Step{Verb: InspectImage}
	case s.Local.Err != "":
		message := fmt.Sprintf("Failed to inspect image %q: %s", c.Image, s.Local.Err)
		return failure(c, ImageInspectError, message, Event{Type: v1.EventTypeWarning, Reason: "InspectFailed", Message: message})
	case s.Local.ID != "":
		return Step{Verb: ImageReady, Events: events(c, v1.EventTypeNormal, "Pulled",
			fmt.Sprintf("Container image %q already present on machine and can be accessed by the pod", c.Image))}
	case c.ImagePullPolicy == v1.PullNever:
		message := fmt.Sprintf("Container image %q is not present with pull policy of Never", c.Image)
		return failure(c, ErrImageNeverPull, message, Event{Type: v1.EventTypeWarning, Reason: ErrImageNeverPull, Message: message})
	}
	if p, ok := pulls[c.Image]; ok {
		if _, in := p.Backoff.Until(c.Image, p.Backoff.Updated, now); in { // another container of the pod met it a moment ago
			message := fmt.Sprintf("Back-off pulling image %q", c.Image)
			return failure(c, ImagePullBackOff, fmt.Sprintf("%s: %s: %s", message, p.Reason, p.Message),
				Event{Type: v1.EventTypeNormal, Reason: "BackOff", Message: message})
		}
	}
	return Step{Verb: PullImage, Events: events(c, v1.EventTypeNormal, "Pulling", fmt.Sprintf("Pulling image %q", c.Image))}
}

func afterPull(c *v1.Container, p *Pull) Step {
	if p.Err == "" {
		return Step{Verb: ImageReady, Events: events(c, v1.EventTypeNormal, "Pulled", fmt.Sprintf(
			"Successfully pulled image %q in %v (%v including waiting). Image size: %v bytes.",
			c.Image, p.Took.Truncate(time.Millisecond), p.Waited.Truncate(time.Millisecond), p.Size))}
	}
	reason, message := PullError(c.Image, p)
	step := failure(c, reason, message, Event{Type: v1.EventTypeWarning, Reason: "Failed", Message: fmt.Sprintf("Failed to pull image %q: %s", c.Image, p.Err)})
	step.PullFailed = true
	return step
}

// PullError gives a failed pull its reason and message (upstream: evalCRIPullErr
// in pkg/kubelet/images/image_manager.go). Upstream names a registry that cannot
// be reached only if the runtime does; podling goes by what the error was.
func PullError(image string, p *Pull) (reason, message string) {
	if rest, ok := strings.CutPrefix(p.Err, SignatureValidationFailed); ok {
		return SignatureValidationFailed, fmt.Sprintf("image pull failed for %s because the signature validation failed%s", image, rest)
	}
	if rest, ok := strings.CutPrefix(p.Err, RegistryUnavailable); ok {
		return RegistryUnavailable, fmt.Sprintf("image pull failed for %s because the registry is unavailable%s", image, rest)
	}
	if p.Unavailable {
		return RegistryUnavailable, fmt.Sprintf("image pull failed for %s because the registry is unavailable: %s", image, p.Err)
	}
	return ErrImagePull, p.Err
}

// failure ends the start. first, if any, are the Events that go before the one
// that every failed start has.
func failure(c *v1.Container, reason, message string, first ...Event) Step {
	said := message
	if len(first) > 0 {
		said = reason // the details are in the Event before it
	}
	for i := range first {
		first[i].Container = c.Name
	}
	return Step{Verb: StartFailed, Reason: reason, Message: message,
		Events: append(first, events(c, v1.EventTypeWarning, "Failed", "Error: "+said)...)}
}

// internal ends the start because a step of the node's own failed, which users
// know by that name only.
func internal(c *v1.Container, reason, step, message string) Step {
	return Step{Verb: StartFailed, Reason: reason, Message: message,
		Events: events(c, v1.EventTypeWarning, "Failed", fmt.Sprintf("Internal %s hook failed: %s", step, message))}
}

func events(c *v1.Container, kind, reason, message string) []Event {
	return []Event{{Type: kind, Reason: reason, Message: message, Container: c.Name}}
}
