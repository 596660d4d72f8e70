// Package probe asks running containers how they are: startup, liveness and
// readiness probes by exec, HTTP, TCP and gRPC. It runs them and counts; what
// follows from a result, lifecycle decides.
package probe

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	v1 "k8s.io/api/core/v1"
	internalapi "k8s.io/cri-api/pkg/apis"
	remote "k8s.io/cri-client/pkg"
	upstream "k8s.io/kubernetes/pkg/probe"
	grpcprobe "k8s.io/kubernetes/pkg/probe/grpc"
	httpprobe "k8s.io/kubernetes/pkg/probe/http"
	tcpprobe "k8s.io/kubernetes/pkg/probe/tcp"
	"k8s.io/kubernetes/third_party/forked/golang/expansion"
	utilexec "k8s.io/utils/exec"

	"github.com/podling/podling/lifecycle"
)

// The kinds of probes, in upstream's words.
const (
	Startup   = "Startup"
	Liveness  = "Liveness"
	Readiness = "Readiness"
)

const (
	attempts  = 3         // of a probe that could not be run at all (upstream: maxProbeRetries)
	maxOutput = 10 * 1024 // bytes of an exec probe's output that are kept
)

// Probers run probes for the pods of a node.
type Probers struct {
	runtime internalapi.RuntimeService
	http    httpprobe.Prober
	tcp     tcpprobe.Prober
	grpc    grpcprobe.Prober
	event   func(pod *v1.Pod, e lifecycle.Event)

	simulated Simulated // nil: containers can be reached
	counts    *counts   // nil where they cannot
}

// Simulated answers the probes of containers that cannot be reached because they
// only exist in memory. Results and words are upstream's (pkg/probe).
type Simulated interface {
	// Asking has the runtime know which kind of probe a command is for.
	Asking(ctx context.Context, kind string) context.Context
	// Probe asks over the network. spec is the container's.
	Probe(ctx context.Context, id, kind string, p *v1.Probe, spec *v1.Container) (upstream.Result, string, error)
}

// New gives probers that run commands through runtime and record what failed.
func New(runtime internalapi.RuntimeService, event func(pod *v1.Pod, e lifecycle.Event)) *Probers {
	const followRedirectsElsewhere = false
	return &Probers{runtime: runtime, http: httpprobe.New(followRedirectsElsewhere), tcp: tcpprobe.New(), grpc: grpcprobe.New(), event: event, counts: newCounts()}
}

// NewSimulated gives probers of simulated containers.
func NewSimulated(runtime internalapi.RuntimeService, answers Simulated, event func(pod *v1.Pod, e lifecycle.Event)) *Probers {
	ps := New(runtime, event)
	ps.simulated, ps.counts = answers, nil // by the ten thousand, counting would cost more than probing
	return ps
}

// target is the container that is asked.
type target struct {
	pod *v1.Pod
	c   *v1.Container
	id  string // the runtime's
	ip  string // the pod's

	ending bool // the pod is being ended
}

// ask runs the probe once. known is false if it could not be run: such a result
// counts for nothing.
func (ps *Probers) ask(ctx context.Context, kind string, p *v1.Probe, t target) (success, known bool) {
	var result upstream.Result
	var output string
	var err error
	for range attempts {
		if result, output, err = ps.run(ctx, kind, p, t); err == nil || ctx.Err() != nil {
			break
		}
	}
	if ctx.Err() != nil {
		return false, false
	}
	unhealthy := func(reason, format string, args ...any) {
		ps.event(t.pod, lifecycle.Event{Type: v1.EventTypeWarning, Reason: reason, Container: t.c.Name, Message: fmt.Sprintf(format, args...)})
	}
	switch {
	case err != nil:
		unhealthy("Unhealthy", "%s probe errored and resulted in %s state: %s", kind, result, err)
		return false, false
	case result == upstream.Warning:
		unhealthy("ProbeWarning", "%s probe warning: %s", kind, output)
		return true, true
	case result == upstream.Failure:
		unhealthy("Unhealthy", "%s probe failed: %s", kind, output)
	}
	return result == upstream.Success, true
}

func (ps *Probers) run(ctx context.Context, kind string, p *v1.Probe, t target) (upstream.Result, string, error) {
	timeout := time.Duration(max(p.TimeoutSeconds, 1)) * time.Second
	switch {
	case p.Exec != nil:
		if ps.simulated != nil {
			ctx = ps.simulated.Asking(ctx, kind)
		}
		return ps.exec(ctx, p.Exec.Command, t, timeout)
	case ps.simulated != nil:
		return ps.simulated.Probe(ctx, t.id, kind, p, t.c)
	case p.HTTPGet != nil:
		req, err := httpprobe.NewRequestForHTTPGetAction(p.HTTPGet, t.c, t.ip, "probe")
		if err != nil {
			return upstream.Unknown, "", err
		}
		return ps.http.Probe(req, timeout)
	case p.TCPSocket != nil:
		port, err := upstream.ResolveContainerPort(p.TCPSocket.Port, t.c)
		if err != nil {
			return upstream.Unknown, "", err
		}
		host := p.TCPSocket.Host
		if host == "" {
			host = t.ip
		}
		return ps.tcp.Probe(host, port, timeout)
	case p.GRPC != nil:
		service := ""
		if p.GRPC.Service != nil {
			service = *p.GRPC.Service
		}
		return ps.grpc.Probe(t.ip, service, int(p.GRPC.Port), timeout)
	}
	return upstream.Unknown, "", fmt.Errorf("missing probe handler for %s_%s(%s):%s", t.pod.Name, t.pod.Namespace, t.pod.UID, t.c.Name)
}

// exec runs a command in the container (upstream: pkg/probe/exec).
func (ps *Probers) exec(ctx context.Context, command []string, t target, timeout time.Duration) (upstream.Result, string, error) {
	if t.ending { // upstream's commands end with the pod's sync, which is over by then; the other kinds of probes go on
		return upstream.Unknown, "", status.Error(codes.Canceled, context.Canceled.Error())
	}
	values := map[string]string{}
	for _, e := range t.c.Env {
		values[e.Name] = e.Value
	}
	words := make([]string, len(command))
	for i, w := range command {
		words[i] = expansion.Expand(w, expansion.MappingFuncFor(values))
	}
	stdout, stderr, err := ps.runtime.ExecSync(ctx, t.id, words, timeout)
	output := string(stdout) + string(stderr)
	output = output[:min(len(output), maxOutput)]
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
