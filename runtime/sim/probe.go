package sim

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	v1 "k8s.io/api/core/v1"
	remote "k8s.io/cri-client/pkg"
	upstream "k8s.io/kubernetes/pkg/probe"
	httpprobe "k8s.io/kubernetes/pkg/probe/http"
	"k8s.io/kubernetes/third_party/forked/golang/expansion"
	utilexec "k8s.io/utils/exec"

	"github.com/podling/podling/runtime/sim/script"
)

// Probe asks a container as the node's prober would, which cannot reach it: its
// script answers, or else the command, port or page that the probe names. spec is
// the container's, for its environment and the names of its ports; it may be nil.
// kind is Startup, Readiness or Liveness, in any case. A container whose program
// nobody knows is well. Results and words are upstream's (pkg/probe).
func (r *Runtime) Probe(ctx context.Context, id, kind string, p *v1.Probe, spec *v1.Container) (upstream.Result, string, error) {
	c, err := r.runs(id)
	if err != nil {
		return upstream.Unknown, "", err
	}
	if spec == nil {
		spec = &v1.Container{}
	}
	timeout := time.Duration(max(p.TimeoutSeconds, 1)) * time.Second
	if answers := c.answers(kind); len(answers) > 0 {
		return c.scripted(ctx, answers, p, timeout)
	}
	if c.opaque() {
		return upstream.Success, "", nil
	}
	switch {
	case p.Exec != nil:
		return c.probeExec(ctx, p.Exec.Command, spec, timeout)
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

// answers are what the container's script says to a kind of probe.
func (c *container) answers(kind string) []script.Probe {
	if c.run.Probes == nil {
		return nil
	}
	switch strings.ToLower(kind) {
	case "startup":
		return c.run.Probes.Startup
	case "readiness":
		return c.run.Probes.Readiness
	}
	return c.run.Probes.Liveness
}

// scripted gives the last answer that is due.
func (c *container) scripted(ctx context.Context, answers []script.Probe, p *v1.Probe, timeout time.Duration) (upstream.Result, string, error) {
	now := c.r.now()
	c.r.mu.Lock()
	ran := time.Duration(now - c.startedAt)
	c.r.mu.Unlock()
	var answer script.Probe
	for _, a := range answers {
		if time.Duration(a.After) <= ran {
			answer = a
		}
	}
	late := time.Duration(answer.Took) > timeout
	if err := c.r.delay(ctx, min(timeout, time.Duration(answer.Took))); err != nil {
		return upstream.Unknown, "", err
	}
	switch {
	case late && p.Exec != nil:
		return upstream.Failure, fmt.Sprintf("%v: %q timed out after %s", remote.ErrCommandTimedOut, strings.Join(p.Exec.Command, " "), timeout), nil
	case late:
		return upstream.Failure, context.DeadlineExceeded.Error(), nil
	case answer.OK:
		return upstream.Success, answer.Output, nil
	}
	return upstream.Failure, answer.Output, nil
}

// opaque: nothing is known of what the container's program does.
func (c *container) opaque() bool {
	c.r.mu.Lock()
	first := c.first
	c.r.mu.Unlock()
	return first == nil || first.Own()
}

// probeExec runs a command (upstream: pkg/probe/exec).
func (c *container) probeExec(ctx context.Context, command []string, spec *v1.Container, timeout time.Duration) (upstream.Result, string, error) {
	const most = 10 * 1024 // bytes of output that are kept
	values := map[string]string{}
	for _, e := range spec.Env {
		values[e.Name] = e.Value
	}
	words := make([]string, len(command))
	for i, w := range command {
		words[i] = expansion.Expand(w, expansion.MappingFuncFor(values))
	}
	stdout, stderr, err := c.r.ExecSync(ctx, c.id, words, timeout)
	output := string(stdout) + string(stderr)
	output = output[:min(len(output), most)]
	var exit utilexec.ExitError
	switch {
	case err == nil:
		return upstream.Success, output, nil
	case errors.As(err, &exit) && exit.Exited():
		return upstream.Failure, output, nil
	case errors.Is(err, remote.ErrCommandTimedOut):
		return upstream.Failure, err.Error(), nil
	}
	return upstream.Unknown, "", err
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
