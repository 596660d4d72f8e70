package image

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

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

// Prune removes the images that no container of the runtime is made from,
// running or not, and that no pod has asked for lately (upstream:
// DeleteUnusedImages in pkg/kubelet/images/image_gc_manager.go).
func (i *Images) Prune(ctx context.Context, containers internalapi.ContainerManager) error {
	images, err := i.service.ListImages(ctx, nil)
	if err != nil {
		return fmt.Errorf("listing images: %w", err)
	}
	all, err := containers.ListContainers(ctx, nil)
	if err != nil {
		return fmt.Errorf("listing containers: %w", err)
	}
	var errs []error
	for _, image := range images {
		if image.GetPinned() || slices.ContainsFunc(all, func(c *runtimeapi.Container) bool { return madeFrom(c, image) }) || i.isFresh(image.GetId()) {
			continue
		}
		if err := i.service.RemoveImage(ctx, &runtimeapi.ImageSpec{Image: image.GetId()}); err != nil {
			errs = append(errs, fmt.Errorf("removing image %s: %w", image.GetId(), err))
		}
	}
	return errors.Join(errs...)
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

// madeFrom: runtimes name a container's image by its ID, or by one of its names.
func madeFrom(c *runtimeapi.Container, image *runtimeapi.Image) bool {
	names := slices.Concat([]string{image.GetId()}, image.GetRepoTags(), image.GetRepoDigests())
	for _, name := range []string{c.GetImageId(), c.GetImageRef(), c.GetImage().GetImage()} {
		if name != "" && slices.Contains(names, name) {
			return true
		}
	}
	return false
}
