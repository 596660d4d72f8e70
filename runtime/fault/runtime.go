package fault

import (
	"context"
	"time"

	"google.golang.org/protobuf/proto"
	internalapi "k8s.io/cri-api/pkg/apis"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// patience is how long a call of the CRI may take (the kubelet's default
// runtimeRequestTimeout); some have more, as in k8s.io/cri-client.
const patience = 2 * time.Minute

// Runtime gives the service of a node's runtime with the faults before it.
func (f *Faults) Runtime(service internalapi.RuntimeService, node string) internalapi.RuntimeService {
	return runtimeService{service, onNode{f, node}}
}

type runtimeService struct {
	internalapi.RuntimeService
	onNode
}

// onNode are the faults as they are for one node.
type onNode struct {
	faults *Faults
	node   string
}

func (n onNode) strike(ctx context.Context, call Call, image string, limit time.Duration) error {
	return n.faults.strike(ctx, call, n.node, image, limit)
}

// execLimit is how long a command may take that is given timeout; 0 is no limit.
func execLimit(timeout time.Duration) time.Duration {
	if timeout == 0 {
		return 0
	}
	return patience + timeout
}

// Status tells of a network that is not ready, too, if a rule says so.
func (s runtimeService) Status(ctx context.Context, verbose bool) (*runtimeapi.StatusResponse, error) {
	if err := s.strike(ctx, Status, "", patience); err != nil {
		return nil, err
	}
	response, err := s.RuntimeService.Status(ctx, verbose)
	if err != nil || !s.faults.any.Load() {
		return response, err
	}
	a := s.faults.struck(NetworkNotReady, target{node: s.node})
	if a == nil {
		return response, nil
	}
	response = proto.Clone(response).(*runtimeapi.StatusResponse)
	for _, c := range response.GetStatus().GetConditions() {
		if c.Type == runtimeapi.NetworkReady {
			c.Status, c.Reason, c.Message = false, "NetworkPluginNotReady", a.err().Error()
		}
	}
	return response, nil
}

// GetContainerEvents ends a stream that is under way when the runtime goes down.
func (s runtimeService) GetContainerEvents(ctx context.Context, events chan *runtimeapi.ContainerEventResponse, joined func(runtimeapi.RuntimeService_GetContainerEventsClient)) error {
	before, changed := s.faults.down(s.node)
	s.faults.clock.Begin() // for the rule alone: time goes on while a stream lasts
	err := s.strike(ctx, GetContainerEvents, "", 0)
	s.faults.clock.End()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		for {
			select {
			case <-changed:
			case <-ctx.Done():
				return
			}
			var now *armed
			if now, changed = s.faults.down(s.node); now != nil && now != before {
				cancel(now.err())
				return
			}
		}
	}()
	err = s.RuntimeService.GetContainerEvents(ctx, events, joined)
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

func (s runtimeService) Version(ctx context.Context, apiVersion string) (*runtimeapi.VersionResponse, error) {
	if err := s.strike(ctx, Version, "", patience); err != nil {
		return nil, err
	}
	return s.RuntimeService.Version(ctx, apiVersion)
}

func (s runtimeService) CreateContainer(ctx context.Context, podSandboxID string, config *runtimeapi.ContainerConfig, sandboxConfig *runtimeapi.PodSandboxConfig) (string, error) {
	if err := s.strike(ctx, CreateContainer, "", patience); err != nil {
		return "", err
	}
	return s.RuntimeService.CreateContainer(ctx, podSandboxID, config, sandboxConfig)
}

func (s runtimeService) StartContainer(ctx context.Context, containerID string) error {
	if err := s.strike(ctx, StartContainer, "", patience); err != nil {
		return err
	}
	return s.RuntimeService.StartContainer(ctx, containerID)
}

func (s runtimeService) StopContainer(ctx context.Context, containerID string, timeout int64) error {
	if err := s.strike(ctx, StopContainer, "", patience+time.Duration(timeout)*time.Second); err != nil {
		return err
	}
	return s.RuntimeService.StopContainer(ctx, containerID, timeout)
}

func (s runtimeService) RemoveContainer(ctx context.Context, containerID string) error {
	if err := s.strike(ctx, RemoveContainer, "", patience); err != nil {
		return err
	}
	return s.RuntimeService.RemoveContainer(ctx, containerID)
}

func (s runtimeService) ListContainers(ctx context.Context, filter *runtimeapi.ContainerFilter) ([]*runtimeapi.Container, error) {
	if err := s.strike(ctx, ListContainers, "", patience); err != nil {
		return nil, err
	}
	return s.RuntimeService.ListContainers(ctx, filter)
}

func (s runtimeService) ContainerStatus(ctx context.Context, containerID string, verbose bool) (*runtimeapi.ContainerStatusResponse, error) {
	if err := s.strike(ctx, ContainerStatus, "", patience); err != nil {
		return nil, err
	}
	return s.RuntimeService.ContainerStatus(ctx, containerID, verbose)
}

func (s runtimeService) UpdateContainerResources(ctx context.Context, containerID string, resources *runtimeapi.ContainerResources) error {
	if err := s.strike(ctx, UpdateContainerResources, "", patience); err != nil {
		return err
	}
	return s.RuntimeService.UpdateContainerResources(ctx, containerID, resources)
}

func (s runtimeService) ExecSync(ctx context.Context, containerID string, cmd []string, timeout time.Duration) ([]byte, []byte, error) {
	if err := s.strike(ctx, ExecSync, "", execLimit(timeout)); err != nil {
		return nil, nil, err
	}
	return s.RuntimeService.ExecSync(ctx, containerID, cmd, timeout)
}

func (s runtimeService) Exec(ctx context.Context, request *runtimeapi.ExecRequest) (*runtimeapi.ExecResponse, error) {
	if err := s.strike(ctx, Exec, "", patience); err != nil {
		return nil, err
	}
	return s.RuntimeService.Exec(ctx, request)
}

func (s runtimeService) Attach(ctx context.Context, req *runtimeapi.AttachRequest) (*runtimeapi.AttachResponse, error) {
	if err := s.strike(ctx, Attach, "", patience); err != nil {
		return nil, err
	}
	return s.RuntimeService.Attach(ctx, req)
}

func (s runtimeService) ReopenContainerLog(ctx context.Context, containerID string) error {
	if err := s.strike(ctx, ReopenContainerLog, "", patience); err != nil {
		return err
	}
	return s.RuntimeService.ReopenContainerLog(ctx, containerID)
}

func (s runtimeService) CheckpointContainer(ctx context.Context, options *runtimeapi.CheckpointContainerRequest) error {
	if err := s.strike(ctx, CheckpointContainer, "", patience); err != nil {
		return err
	}
	return s.RuntimeService.CheckpointContainer(ctx, options)
}
