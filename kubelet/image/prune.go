package image

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	internalapi "k8s.io/cri-api/pkg/apis"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// fresh is how long an image is kept that a pod asked for: its container may be
// about to be made (upstream's imageMinimumGCAge).
const fresh = 2 * time.Minute

// asked notes that a pod needs the image.
func (i *Images) asked(id string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.last[id] = i.clock.Now()
}

// lastAsked is when a pod asked for the image, if one did since it was last looked at for its age.
func (i *Images) lastAsked(id string) (time.Time, bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	at, known := i.last[id]
	return at, known
}

// Prune removes the images that no container of the runtime uses, running or not, and that no pod has
// asked for lately (upstream: DeleteUnusedImages in pkg/kubelet/images/image_gc_manager.go).
func (i *Images) Prune(ctx context.Context, containers internalapi.ContainerManager) error {
	images, used, err := i.look(ctx, containers)
	if err != nil {
		return err
	}
	var errs []error
	for _, image := range images {
		if image.GetPinned() || used(image) || i.isFresh(image.GetId()) {
			continue
		}
		errs = append(errs, i.remove(ctx, image))
	}
	return errors.Join(errs...)
}

func (i *Images) remove(ctx context.Context, image *runtimeapi.Image) error {
	if err := i.service.RemoveImage(ctx, &runtimeapi.ImageSpec{Image: image.GetId()}); err != nil {
		return fmt.Errorf("removing image %s: %w", image.GetId(), err)
	}
	return nil
}

// look lists the images, and says which containers use: those that they are made from, and those that
// are their volumes.
func (i *Images) look(ctx context.Context, containers internalapi.ContainerManager) (all []*runtimeapi.Image, used func(*runtimeapi.Image) bool, err error) {
	if all, err = i.service.ListImages(ctx, nil); err != nil {
		return nil, nil, fmt.Errorf("listing images: %w", err)
	}
	list, err := containers.ListContainers(ctx, nil)
	if err != nil {
		return nil, nil, fmt.Errorf("listing containers: %w", err)
	}
	names := map[string]bool{}
	for _, c := range list {
		for _, name := range []string{c.GetImageId(), c.GetImageRef(), c.GetImage().GetImage()} {
			names[name] = true
		}
		if c.GetState() == runtimeapi.ContainerState_CONTAINER_EXITED {
			continue
		}
		r, err := containers.ContainerStatus(ctx, c.GetId(), false)
		if status.Code(err) == codes.NotFound {
			continue
		}
		if err != nil {
			return nil, nil, fmt.Errorf("the volumes of container %s: %w", c.GetId(), err)
		}
		for _, m := range r.GetStatus().GetMounts() {
			names[m.GetImage().GetImage()] = true
		}
	}
	delete(names, "")
	return all, func(image *runtimeapi.Image) bool {
		return slices.ContainsFunc(slices.Concat([]string{image.GetId()}, image.GetRepoTags(), image.GetRepoDigests()), func(name string) bool { return names[name] })
	}, nil
}

// isFresh: a pod asked for it a short while ago. What was asked for earlier is
// forgotten.
func (i *Images) isFresh(id string) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	at, known := i.last[id]
	if known && i.clock.Since(at) < fresh {
		return true
	}
	delete(i.last, id)
	return false
}
