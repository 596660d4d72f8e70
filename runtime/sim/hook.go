package sim

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	v1 "k8s.io/api/core/v1"
	httpprobe "k8s.io/kubernetes/pkg/probe/http"
)

// Hook runs a container's lifecycle hook as the node would, until it ends or ctx
// does: as its script says, or else the request that it names; commands are ExecSync's. when is
// PostStart or PreStop, in any case; spec is the container's, for the names of its
// ports, and may be nil. The error's words are those that upstream puts behind
// "failed - error: ".
func (r *Runtime) Hook(ctx context.Context, id, when string, h *v1.LifecycleHandler, spec *v1.Container) error {
	r.mu.Lock()
	c, err := r.findContainer(id)
	r.mu.Unlock()
	if err != nil {
		return err
	}
	if says := c.hook(when); says != nil {
		return c.play(ctx, says)
	}
	switch {
	case h.Sleep != nil:
		if r.delay(ctx, time.Duration(h.Sleep.Seconds)*time.Second) != nil {
			return errors.New("container terminated before sleep hook finished")
		}
		return nil
	case c.opaque():
		return nil
	case h.HTTPGet != nil:
		if spec == nil {
			spec = &v1.Container{}
		}
		request, err := httpprobe.NewRequestForHTTPGetAction(h.HTTPGet, spec, c.address(), "lifecycle")
		if err != nil {
			return err
		}
		const limit = 5 * time.Minute // nobody sets one
		response, err := c.client(limit).Do(request)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		_, _ = io.Copy(io.Discard, response.Body) // any answer is a good one
		return nil
	}
	//lint:ignore ST1005 upstream's words
	return fmt.Errorf("Cannot run handler: invalid handler: %v", h)
}
