package worker

import (
	"context"
	"slices"

	v1 "k8s.io/api/core/v1"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/podling/podling/kubelet/cgroup"
	"github.com/podling/podling/lifecycle"
	"github.com/podling/podling/runtime/fault"
)

// resize gives a running container the resources that its spec asks for by now,
// and its pod's cgroup with it (KEP-1287). The pod's comes first, as it has to
// when it grows; when it shrinks it may refuse for as long as the container has
// more, and comes after.
func (p *pass) resize(ctx context.Context, a lifecycle.Action) bool {
	spec := specOf(p.pod, a.Container)
	ctx = fault.For(ctx, p.pod, spec.Name, spec.Image)
	_, first := p.node.Cgroups.Ensure(p.pod)
	err := p.node.Runtime.UpdateContainerResources(ctx, bare(a.ID), &runtimeapi.ContainerResources{Linux: cgroup.ContainerResources(p.pod, spec, p.node.Memory)})
	if err == nil && first != nil {
		_, err = p.node.Cgroups.Ensure(p.pod)
	}
	if err != nil {
		p.criError(err)
		p.resizeFailed(a.Container, err)
		return false
	}
	p.tell(func(o *lifecycle.Observed) {
		o.Failures = without(o.Failures, a.Container)
		o.Containers = slices.Clone(o.Containers)
		for i := range o.Containers {
			if o.Containers[i].ID == a.ID {
				o.Containers[i].Resources = spec.Resources.DeepCopy()
			}
		}
	})
	return true
}

// resizePod gives the pod as a whole what its spec asks for by now.
func (p *pass) resizePod() bool {
	if _, err := p.node.Cgroups.Ensure(p.pod); err != nil {
		p.resizeFailed("", err)
		return false
	}
	p.tell(func(o *lifecycle.Observed) {
		o.Failures, o.Given = without(o.Failures, ""), p.pod.Spec.Resources
	})
	return true
}

// resizeFailed: container is "" if it was the pod as a whole.
func (p *pass) resizeFailed(container string, err error) {
	p.event(v1.EventTypeWarning, lifecycle.ResizeError, "", "Pod resize error: "+err.Error())
	f := p.fail(p.seen.Failures[container], lifecycle.ResizeError, err.Error())
	p.tell(func(o *lifecycle.Observed) { o.Failures = with(o.Failures, container, f) })
}
