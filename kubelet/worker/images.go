package worker

import (
	"context"

	v1 "k8s.io/api/core/v1"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/podling/podling/kubelet/image"
	"github.com/podling/podling/lifecycle"
	"github.com/podling/podling/runtime/fault"
)

// image gets c's image there and gives the runtime's reference of it. c is the
// container that is being started, or stands for one of its image volumes.
func (s *starting) image(ctx, patience context.Context, c *v1.Container) (ref string, ok bool) {
	var at lifecycle.Image
	name, err := image.Name(c.Image)
	if err != nil {
		at.InvalidName = err.Error()
	}
	for {
		step := lifecycle.ImageStep(c, at, s.seen.Pulls, s.node.Clock.Now())
		s.say(step)
		switch step.Verb {
		case lifecycle.ImageReady:
			return ref, true
		case lifecycle.StartFailed:
			s.failed(ctx, patience, step, c.Image)
			return "", false
		case lifecycle.InspectImage:
			ref, err = s.node.Images.Find(ctx, name)
			at.Local = result(ref, err, false)
		case lifecycle.PullImage:
			at.Pull = s.node.Images.Pull(patience, name, s.node.PullSecrets(patience, s.pod, name), s.sandbox)
			ref = at.Pull.ID
			if at.Pull.Err != "" && patience.Err() != nil {
				return "", false // given up: the pod is to end
			}
		}
	}
}

// imageVolumes gets the images there that the container mounts (KEP-4639).
func (s *starting) imageVolumes(ctx, patience context.Context) bool {
	for _, m := range s.c.VolumeMounts {
		for _, v := range s.pod.Spec.Volumes {
			if v.Name != m.Name || v.Image == nil || s.images[v.Name] != nil {
				continue
			}
			as := &v1.Container{Name: s.c.Name, Image: v.Image.Reference, ImagePullPolicy: v.Image.PullPolicy}
			ref, ok := s.image(fault.For(ctx, s.pod, as.Name, as.Image), fault.For(patience, s.pod, as.Name, as.Image), as)
			if !ok {
				return false
			}
			s.images = with(s.images, v.Name, &runtimeapi.ImageSpec{Image: ref, UserSpecifiedImage: v.Image.Reference, Annotations: s.pod.Annotations})
		}
	}
	return true
}

// say records the Events that a step brought about.
func (s *starting) say(step lifecycle.Step) {
	for _, e := range step.Events {
		s.node.Event(s.pod, e)
	}
}
