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
	// refreshEvery is how often images are looked at (upstream's nodeStatusUpdateFrequency).
	refreshEvery = 10 * time.Second
	// refreshSimulatedEvery is that for the images of simulated nodes, of which there are many.
	refreshSimulatedEvery = time.Minute
	// maxImages and maxNames bound the report (upstream's nodeStatusMaxImages and
	// MaxNamesPerImageInNodeStatus).
	maxImages = 50
	maxNames  = 5
)

// watchImages refreshes until ctx ends.
func (n *Node) watchImages(ctx context.Context) {
	every := refreshEvery
	if n.cfg.Keeper != nil {
		every = refreshSimulatedEvery
	}
	tick := time.NewTicker(every)
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

// refresh looks at the images. What cannot be seen stays as it was.
func (n *Node) refresh(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	images, err := n.cfg.Images.ListImages(ctx, nil)
	if err != nil {
		klog.FromContext(ctx).V(2).Info("Images cannot be listed", "err", err)
		return
	}
	n.observe(func(s *seen) { s.images = imageList(images) })
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
