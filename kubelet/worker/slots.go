package worker

import (
	"context"
	"runtime"

	internalapi "k8s.io/cri-api/pkg/apis"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// Slotted gives the service with a bound on how many sandboxes and containers it
// makes or ends at one time: a machine's worth. Each is half a dozen processes and
// a dozen mounts: more of them side by side than the machine has cores to run
// makes all of them slower.
func Slotted(service internalapi.RuntimeService) internalapi.RuntimeService {
	return slotted{service, make(chan struct{}, 2*runtime.NumCPU())}
}

type slotted struct {
	internalapi.RuntimeService
	slots chan struct{}
}

// take waits for a slot and gives the function that returns it.
func (s slotted) take() func() {
	s.slots <- struct{}{}
	return func() { <-s.slots }
}

func (s slotted) RunPodSandbox(ctx context.Context, config *runtimeapi.PodSandboxConfig, handler string) (string, error) {
	defer s.take()()
	return s.RuntimeService.RunPodSandbox(ctx, config, handler)
}

func (s slotted) CreateContainer(ctx context.Context, sandbox string, config *runtimeapi.ContainerConfig, sandboxConfig *runtimeapi.PodSandboxConfig) (string, error) {
	defer s.take()()
	return s.RuntimeService.CreateContainer(ctx, sandbox, config, sandboxConfig)
}

func (s slotted) StartContainer(ctx context.Context, id string) error {
	defer s.take()()
	return s.RuntimeService.StartContainer(ctx, id)
}

func (s slotted) StopPodSandbox(ctx context.Context, id string) error {
	defer s.take()()
	return s.RuntimeService.StopPodSandbox(ctx, id)
}
