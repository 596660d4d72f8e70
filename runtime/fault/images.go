package fault

import (
	"context"

	internalapi "k8s.io/cri-api/pkg/apis"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// Images gives the service of a node's images with the faults before it.
func (f *Faults) Images(service internalapi.ImageManagerService, node string) internalapi.ImageManagerService {
	return imageService{service, onNode{f, node}}
}

type imageService struct {
	internalapi.ImageManagerService
	onNode
}

func (s imageService) ListImages(ctx context.Context, filter *runtimeapi.ImageFilter) ([]*runtimeapi.Image, error) {
	if err := s.strike(ctx, ListImages, "", patience); err != nil {
		return nil, err
	}
	return s.ImageManagerService.ListImages(ctx, filter)
}

func (s imageService) ImageStatus(ctx context.Context, image *runtimeapi.ImageSpec, verbose bool) (*runtimeapi.ImageStatusResponse, error) {
	if err := s.strike(ctx, ImageStatus, image.GetImage(), patience); err != nil {
		return nil, err
	}
	return s.ImageManagerService.ImageStatus(ctx, image, verbose)
}

func (s imageService) PullImage(ctx context.Context, image *runtimeapi.ImageSpec, auth *runtimeapi.AuthConfig, podSandboxConfig *runtimeapi.PodSandboxConfig) (string, error) {
	if err := s.strike(ctx, PullImage, image.GetImage(), 0); err != nil {
		return "", err
	}
	return s.ImageManagerService.PullImage(ctx, image, auth, podSandboxConfig)
}

func (s imageService) RemoveImage(ctx context.Context, image *runtimeapi.ImageSpec) error {
	if err := s.strike(ctx, RemoveImage, image.GetImage(), patience); err != nil {
		return err
	}
	return s.ImageManagerService.RemoveImage(ctx, image)
}

func (s imageService) ImageFsInfo(ctx context.Context) (*runtimeapi.ImageFsInfoResponse, error) {
	if err := s.strike(ctx, ImageFsInfo, "", patience); err != nil {
		return nil, err
	}
	return s.ImageManagerService.ImageFsInfo(ctx)
}
