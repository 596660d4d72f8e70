package fault

import (
	"context"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// The calls about sandboxes, and those that only ask.

func (s runtimeService) RunPodSandbox(ctx context.Context, config *runtimeapi.PodSandboxConfig, runtimeHandler string) (string, error) {
	if err := s.strike(ctx, RunPodSandbox, "", 2*patience); err != nil {
		return "", err
	}
	return s.RuntimeService.RunPodSandbox(ctx, config, runtimeHandler)
}

func (s runtimeService) StopPodSandbox(ctx context.Context, podSandboxID string) error {
	if err := s.strike(ctx, StopPodSandbox, "", patience); err != nil {
		return err
	}
	return s.RuntimeService.StopPodSandbox(ctx, podSandboxID)
}

func (s runtimeService) RemovePodSandbox(ctx context.Context, podSandboxID string) error {
	if err := s.strike(ctx, RemovePodSandbox, "", patience); err != nil {
		return err
	}
	return s.RuntimeService.RemovePodSandbox(ctx, podSandboxID)
}

func (s runtimeService) PodSandboxStatus(ctx context.Context, podSandboxID string, verbose bool) (*runtimeapi.PodSandboxStatusResponse, error) {
	if err := s.strike(ctx, PodSandboxStatus, "", patience); err != nil {
		return nil, err
	}
	return s.RuntimeService.PodSandboxStatus(ctx, podSandboxID, verbose)
}

func (s runtimeService) ListPodSandbox(ctx context.Context, filter *runtimeapi.PodSandboxFilter) ([]*runtimeapi.PodSandbox, error) {
	if err := s.strike(ctx, ListPodSandbox, "", patience); err != nil {
		return nil, err
	}
	return s.RuntimeService.ListPodSandbox(ctx, filter)
}

func (s runtimeService) PortForward(ctx context.Context, request *runtimeapi.PortForwardRequest) (*runtimeapi.PortForwardResponse, error) {
	if err := s.strike(ctx, PortForward, "", patience); err != nil {
		return nil, err
	}
	return s.RuntimeService.PortForward(ctx, request)
}

func (s runtimeService) UpdatePodSandboxResources(ctx context.Context, request *runtimeapi.UpdatePodSandboxResourcesRequest) (*runtimeapi.UpdatePodSandboxResourcesResponse, error) {
	if err := s.strike(ctx, UpdatePodSandboxResources, "", patience); err != nil {
		return nil, err
	}
	return s.RuntimeService.UpdatePodSandboxResources(ctx, request)
}

func (s runtimeService) ContainerStats(ctx context.Context, containerID string) (*runtimeapi.ContainerStats, error) {
	if err := s.strike(ctx, ContainerStats, "", patience); err != nil {
		return nil, err
	}
	return s.RuntimeService.ContainerStats(ctx, containerID)
}

func (s runtimeService) ListContainerStats(ctx context.Context, filter *runtimeapi.ContainerStatsFilter) ([]*runtimeapi.ContainerStats, error) {
	if err := s.strike(ctx, ListContainerStats, "", patience); err != nil {
		return nil, err
	}
	return s.RuntimeService.ListContainerStats(ctx, filter)
}

func (s runtimeService) PodSandboxStats(ctx context.Context, podSandboxID string) (*runtimeapi.PodSandboxStats, error) {
	if err := s.strike(ctx, PodSandboxStats, "", patience); err != nil {
		return nil, err
	}
	return s.RuntimeService.PodSandboxStats(ctx, podSandboxID)
}

func (s runtimeService) ListPodSandboxStats(ctx context.Context, filter *runtimeapi.PodSandboxStatsFilter) ([]*runtimeapi.PodSandboxStats, error) {
	if err := s.strike(ctx, ListPodSandboxStats, "", patience); err != nil {
		return nil, err
	}
	return s.RuntimeService.ListPodSandboxStats(ctx, filter)
}

func (s runtimeService) ListMetricDescriptors(ctx context.Context) ([]*runtimeapi.MetricDescriptor, error) {
	if err := s.strike(ctx, ListMetricDescriptors, "", patience); err != nil {
		return nil, err
	}
	return s.RuntimeService.ListMetricDescriptors(ctx)
}

func (s runtimeService) ListPodSandboxMetrics(ctx context.Context) ([]*runtimeapi.PodSandboxMetrics, error) {
	if err := s.strike(ctx, ListPodSandboxMetrics, "", patience); err != nil {
		return nil, err
	}
	return s.RuntimeService.ListPodSandboxMetrics(ctx)
}

func (s runtimeService) UpdateRuntimeConfig(ctx context.Context, runtimeConfig *runtimeapi.RuntimeConfig) error {
	if err := s.strike(ctx, UpdateRuntimeConfig, "", patience); err != nil {
		return err
	}
	return s.RuntimeService.UpdateRuntimeConfig(ctx, runtimeConfig)
}

func (s runtimeService) RuntimeConfig(ctx context.Context) (*runtimeapi.RuntimeConfigResponse, error) {
	if err := s.strike(ctx, RuntimeConfig, "", patience); err != nil {
		return nil, err
	}
	return s.RuntimeService.RuntimeConfig(ctx)
}
