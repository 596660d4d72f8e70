package worker

import (
	"context"

	v1 "k8s.io/api/core/v1"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/podling/podling/kubelet/image"
	"github.com/podling/podling/lifecycle"
	"github.com/podling/podling/runtime/fault"
)

// image gets c's image there and gives the runtime's reference of it, or the step
// at which that failed; neither if the pod is to end. c is a container, or stands
// for one of the pod's image volumes. What was tried to get it there is told by
// Events, all but the failed start that comes of it.
func (p *pass) image(ctx, patience context.Context, c *v1.Container) (ref string, failed *lifecycle.Step) {
	var at lifecycle.Image
	name, err := image.Name(c.Image)
	if err != nil {
		at.InvalidName = err.Error()
	}
	for {
		step := lifecycle.ImageStep(c, at, p.seen.Pulls, p.node.Clock.Now())
		if step.Verb == lifecycle.StartFailed {
			if step.PullFailed {
				p.pullFailed(c.Image, step)
			}
			last := len(step.Events) - 1
			p.say(step.Events[:last])
			step.Events = step.Events[last:]
			return "", &step
		}
		p.say(step.Events)
		switch step.Verb {
		case lifecycle.ImageReady:
			if _, failing := p.seen.Pulls[c.Image]; failing {
				p.tell(func(o *lifecycle.Observed) { o.Pulls = without(o.Pulls, c.Image) })
			}
			return ref, nil
		case lifecycle.InspectImage:
			ref, err = p.node.Images.Find(ctx, name)
			at.Local = result(ref, err, false)
		case lifecycle.PullImage:
			at.Pull = p.node.Images.Pull(patience, name, p.node.PullSecrets(patience, p.pod, name), p.sandbox)
			ref = at.Pull.ID
			if at.Pull.Err != "" && patience.Err() != nil {
				return "", nil // given up: the pod is to end
			}
		}
	}
}

// pullFailed begins the image's back-off, or goes on with it.
func (p *pass) pullFailed(image string, step lifecycle.Step) {
	now := p.node.Clock.Now()
	pull := lifecycle.ImagePull{Reason: step.Reason, Message: step.Message}
	pull.Backoff = p.seen.Pulls[image].Backoff.Next(image, now, now)
	p.tell(func(o *lifecycle.Observed) { o.Pulls = with(o.Pulls, image, pull) })
}

// imageVolume is the image of one of the pod's volumes: there, or what was wrong.
type imageVolume struct {
	image  string
	spec   *runtimeapi.ImageSpec
	failed *lifecycle.Step
}

// imageVolumes gets the images of the pod's volumes there, once a pass and before
// its first container, also those that no container mounts (KEP-4639; upstream:
// getImageVolumes in pkg/kubelet/kuberuntime/kuberuntime_manager.go). The Events
// are the pod's. False: there is no patience left for it.
func (p *pass) imageVolumes(ctx, patience context.Context) bool {
	if p.images != nil {
		return true
	}
	images := map[string]imageVolume{}
	for _, v := range p.pod.Spec.Volumes {
		if v.Image == nil {
			continue
		}
		as := &v1.Container{Image: v.Image.Reference, ImagePullPolicy: v.Image.PullPolicy}
		ref, failed := p.image(fault.For(ctx, p.pod, "", as.Image), fault.For(patience, p.pod, "", as.Image), as)
		if ref == "" && failed == nil {
			return false
		}
		images[v.Name] = imageVolume{image: as.Image, failed: failed,
			spec: &runtimeapi.ImageSpec{Image: ref, UserSpecifiedImage: as.Image, Annotations: p.pod.Annotations}}
	}
	p.images = images
	return true
}

// allImages gets the container's image there, and those of its volumes; false if
// the start ends here.
func (s *starting) allImages(ctx, patience context.Context) bool {
	if !s.imageVolumes(ctx, patience) {
		return false
	}
	var failed *imageVolume
	for _, m := range s.c.VolumeMounts {
		if v, ok := s.images[m.Name]; ok && v.failed != nil {
			failed = &v
			for _, e := range v.failed.Events {
				e.Container = s.c.Name
				s.node.Event(s.pod, e)
			}
		}
	}
	if failed != nil {
		s.failed(ctx, patience, *failed.failed, failed.image)
		return false
	}
	var step *lifecycle.Step
	if s.ref, step = s.image(ctx, patience, s.c); step != nil {
		s.say(step.Events)
		s.failed(ctx, patience, *step, s.c.Image)
	}
	return s.ref != ""
}

// say records the Events that a step brought about.
func (p *pass) say(events []lifecycle.Event) {
	for _, e := range events {
		p.node.Event(p.pod, e)
	}
}
