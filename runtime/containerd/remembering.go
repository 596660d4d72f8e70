package containerd

import (
	"context"
	"errors"

	internalapi "k8s.io/cri-api/pkg/apis"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
	"k8s.io/klog/v2"

	"github.com/podling/podling/runtime/cri"
)

// What containerd says of a container of which it does not know how it ended (unknownExitCode and
// unknownExitReason in internal/cri/server/helpers.go), and of others.
const (
	unknownExitCode, unknownExitReason = 255, "Unknown"
	completed, failed                  = "Completed", "Error"
)

// Remembering gives the daemon's runtime service with what containerd has forgotten: how containers
// ended while it did not run. What it asks of containerd is done even if podling is killed meanwhile.
func (d *Daemon) Remembering(service internalapi.RuntimeService) internalapi.RuntimeService {
	return remembering{service, d.files, &d.hold}
}

type remembering struct {
	internalapi.RuntimeService
	files layout
	hold  *hold
}

func (r remembering) ContainerStatus(ctx context.Context, id string, verbose bool) (*runtimeapi.ContainerStatusResponse, error) {
	response, err := r.RuntimeService.ContainerStatus(ctx, id, verbose)
	if err == nil {
		r.remember(response.GetStatus())
	}
	return response, err
}

// GetContainerEvents has the events come over a connection of their own: one that is held beyond its
// caller's end would hold up the events of all others once nobody takes them (internal/eventq).
func (r remembering) GetContainerEvents(ctx context.Context, events chan *runtimeapi.ContainerEventResponse, joined func(runtimeapi.RuntimeService_GetContainerEventsClient)) error {
	if _, err := r.Version(ctx, ""); err != nil {
		return err
	}
	// It is connected, and events are joined anew whenever it had to connect again.
	if err := r.hold.renew(r.files.socket()); err != nil {
		klog.ErrorS(err, "Should podling be killed, what it has asked of containerd will be cancelled")
	}
	own, err := cri.Connect(ctx, r.files.endpoint())
	if err != nil {
		return err
	}
	heard := make(chan *runtimeapi.ContainerEventResponse)
	defer close(heard) // once nobody sends any more
	go func() {
		for e := range heard {
			for _, s := range e.GetContainersStatuses() {
				r.remember(s)
			}
			select {
			case events <- e:
			case <-ctx.Done():
			}
		}
	}()
	return errors.Join(own.GetContainerEvents(ctx, heard, joined), own.Close(context.WithoutCancel(ctx)))
}

// ListContainers tells of those that ended before containerd wrote down that they had begun, and of those
// that it takes for ended and that have not begun.
func (r remembering) ListContainers(ctx context.Context, filter *runtimeapi.ContainerFilter) ([]*runtimeapi.Container, error) {
	list, err := r.RuntimeService.ListContainers(ctx, filter)
	for _, c := range list {
		if c.State != runtimeapi.ContainerState_CONTAINER_CREATED && c.State != runtimeapi.ContainerState_CONTAINER_EXITED {
			continue
		}
		e, known := r.files.readEnd(c.Id)
		switch {
		case !known:
		case !e.Unbegun:
			c.State = runtimeapi.ContainerState_CONTAINER_EXITED
		case c.State == runtimeapi.ContainerState_CONTAINER_EXITED:
			if s, err := r.ContainerStatus(ctx, c.Id, false); err == nil { // it may have begun and ended since
				c.State = s.GetStatus().GetState()
			}
		}
	}
	return list, err
}

// remember puts right what is said of a container that has ended, or is said to have.
func (r remembering) remember(s *runtimeapi.ContainerStatus) {
	unknown := s.GetState() == runtimeapi.ContainerState_CONTAINER_EXITED && s.ExitCode == unknownExitCode && s.Reason == unknownExitReason
	if !unknown && s.GetState() != runtimeapi.ContainerState_CONTAINER_CREATED {
		return
	}
	e, known := r.files.readEnd(s.Id)
	if !known {
		return
	}
	if e.Unbegun {
		s.State, s.ExitCode, s.StartedAt, s.FinishedAt, s.Reason, s.Message = runtimeapi.ContainerState_CONTAINER_CREATED, 0, 0, 0, "", ""
		return
	}
	s.State, s.ExitCode, s.FinishedAt, s.Reason = runtimeapi.ContainerState_CONTAINER_EXITED, int32(e.ExitCode), e.At.UnixNano(), failed
	if e.ExitCode == 0 {
		s.Reason = completed
	}
	if s.StartedAt == 0 {
		s.StartedAt = s.CreatedAt // it was soon after
	}
}
