package sim

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	v1 "k8s.io/api/core/v1"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
	upstream "k8s.io/kubernetes/pkg/probe"
	httpprobe "k8s.io/kubernetes/pkg/probe/http"
)

// Probe asks a container over the network as the node's prober would, which cannot reach
// it: its script answers, or else the port or page that the probe names; commands are
// ExecSync's. spec is the container's, for the names of its ports; it may be nil. kind is
// Startup, Readiness or Liveness, in any case. A container whose program nobody knows is
// well. Results and words are upstream's (pkg/probe).
func (r *Runtime) Probe(ctx context.Context, id, kind string, p *v1.Probe, spec *v1.Container) (upstream.Result, string, error) {
	r.mu.Lock()
	c, err := r.findContainer(id)
	over := err == nil && c.state != runtimeapi.ContainerState_CONTAINER_RUNNING // nobody listens any more
	r.mu.Unlock()
	if err != nil {
		return upstream.Unknown, "", err
	}
	if spec == nil {
		spec = &v1.Container{}
	}
	timeout := time.Duration(max(p.TimeoutSeconds, 1)) * time.Second
	if answers := c.answers(kind); len(answers) > 0 && !over {
		answer, late, err := c.scripted(ctx, answers, timeout)
		switch {
		case err != nil:
			return upstream.Unknown, "", err
		case late:
			return upstream.Failure, context.DeadlineExceeded.Error(), nil
		case answer.OK:
			return upstream.Success, answer.Output, nil
		}
		return upstream.Failure, answer.Output, nil
	}
	if c.opaque() && !over {
		return upstream.Success, "", nil
	}
	switch {
	case p.HTTPGet != nil:
		request, err := httpprobe.NewRequestForHTTPGetAction(p.HTTPGet, spec, c.address(), "probe")
		if err != nil {
			return upstream.Unknown, "", err
		}
		return httpprobe.DoHTTPProbe(request, c.client(timeout))
	case p.TCPSocket != nil:
		port, err := upstream.ResolveContainerPort(p.TCPSocket.Port, spec)
		if err != nil {
			return upstream.Unknown, "", err
		}
		host := p.TCPSocket.Host
		if host == "" {
			host = c.address()
		}
		if c.listens(host, port) {
			return upstream.Success, "", nil
		}
		return upstream.Failure, refused(host, port).Error(), nil
	case p.GRPC != nil:
		return c.probeGRPC(ctx, int(p.GRPC.Port), timeout)
	}
	return upstream.Unknown, "", errors.New("missing probe handler")
}

// opaque: nothing is known of what the container's program does.
func (c *container) opaque() bool {
	c.r.mu.Lock()
	first := c.first
	c.r.mu.Unlock()
	return first == nil || first.Own()
}

func (c *container) probeGRPC(ctx context.Context, port int, timeout time.Duration) (upstream.Result, string, error) {
	at := net.JoinHostPort(c.address(), strconv.Itoa(port))
	if !c.listens(c.address(), port) { // it is tried again until the time is over
		if err := c.r.delay(ctx, timeout); err != nil {
			return upstream.Unknown, "", err
		}
		return upstream.Failure, fmt.Sprintf("timeout: failed to connect service %q within %v: %v", at, timeout, context.DeadlineExceeded), nil
	}
	return upstream.Failure, "error: this server does not implement the grpc health protocol (grpc.health.v1.Health): it is a simulated one", nil
}
