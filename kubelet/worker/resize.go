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
// its pod's cgroup first (KEP-1287).
func (p *pass) resize(ctx context.Context, a lifecycle.Action) bool {
	spec := specOf(p.pod, a.Container)
	ctx = fault.For(ctx, p.pod, spec.Name, spec.Image)
	_, err := p.node.Cgroups.Ensure(p.pod)
	if err == nil {
		err = p.node.Runtime.UpdateContainerResources(ctx, bare(a.ID), &runtimeapi.ContainerResources{Linux: cgroup.ContainerResources(p.pod, spec, p.node.Memory)})
	}
	if err != nil {
		p.criError(err)
		p.event(v1.EventTypeWarning, lifecycle.ResizeError, "", "Pod resize error: "+err.Error())
		f := p.fail(p.seen.Failures[a.Container], lifecycle.ResizeError, err.Error())
		p.tell(func(o *lifecycle.Observed) { o.Failures = with(o.Failures, a.Container, f) })
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
