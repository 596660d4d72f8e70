package node

import (
	"cmp"
	"context"
	"slices"
	"time"

	v1 "k8s.io/api/core/v1"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
	"k8s.io/klog/v2"
)

const (
	// refreshEvery is how often images and pressure are looked at (upstream's
	// nodeStatusUpdateFrequency).
	refreshEvery = 10 * time.Second
	// maxImages and maxNames bound the report (upstream's nodeStatusMaxImages and
	// MaxNamesPerImageInNodeStatus).
	maxImages = 50
	maxNames  = 5
)

// watchMachine refreshes until ctx ends.
func (n *Node) watchMachine(ctx context.Context) {
	tick := time.NewTicker(refreshEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			n.refresh(ctx)
		}
	}
}

// refresh looks at the images and at what is free. What cannot be seen stays as it was.
func (n *Node) refresh(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	logger := klog.FromContext(ctx)
	images, errImages := n.cfg.Images.ListImages(ctx, nil)
	if errImages != nil {
		logger.V(2).Info("Images cannot be listed", "err", errImages)
	}
	free, errFree := n.measure(ctx)
	if errFree != nil {
		logger.Error(errFree, "What is free on the machine cannot be measured")
	}
	n.observe(func(s *seen) {
		if errImages == nil {
			s.images = imageList(images)
		}
		if errFree == nil {
			s.pressure = n.pressure.note(free.pressures(), time.Now())
		}
	})
}

// imageList are the largest images with some of their names.
func imageList(images []*runtimeapi.Image) []v1.ContainerImage {
	images = slices.SortedStableFunc(slices.Values(images), func(a, b *runtimeapi.Image) int {
		return cmp.Or(cmp.Compare(b.Size, a.Size), cmp.Compare(a.Id, b.Id))
	})
	var list []v1.ContainerImage
	for _, image := range images[:min(len(images), maxImages)] {
		names := slices.Concat(image.RepoDigests, image.RepoTags)
		list = append(list, v1.ContainerImage{Names: names[:min(len(names), maxNames)], SizeBytes: int64(image.Size)})
	}
	return list
}
