// Package hook runs a container's postStart and preStop hooks (upstream:
// pkg/kubelet/lifecycle/handlers.go). When they run, and what follows from a
// failure, lifecycle decides.
package hook

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	v1 "k8s.io/api/core/v1"
	internalapi "k8s.io/cri-api/pkg/apis"
	"k8s.io/kubernetes/pkg/kubelet/util/format"
	httpprobe "k8s.io/kubernetes/pkg/probe/http"

	"github.com/podling/podling/clock"
	"github.com/podling/podling/lifecycle"
)

// maxAnswer is how much of a web hook's answer is read, in bytes, so that its
// connection ends well.
const maxAnswer = 10 * 1024

// Runner runs hooks.
type Runner struct {
	runtime internalapi.RuntimeService
	clock   clock.Clock
	event   func(pod *v1.Pod, e lifecycle.Event)
	client  *http.Client

	simulated Simulated // nil: containers can be reached
}

// The hooks, in Kubernetes' words.
const (
	PostStart = "postStart"
	PreStop   = "preStop"
)

// Simulated runs the hooks of containers that only exist in memory.
type Simulated interface {
	// Asking has the runtime know which hook a command is for.
	Asking(ctx context.Context, when string) context.Context
	// Hook runs one that is no command. spec is the container's. The error's words are
	// those that stand behind "failed - error: ".
	Hook(ctx context.Context, id, when string, h *v1.LifecycleHandler, spec *v1.Container) error
}

// New gives a runner that runs commands through runtime, and says what is odd in Events.
func New(runtime internalapi.RuntimeService, clock clock.Clock, event func(pod *v1.Pod, e lifecycle.Event)) *Runner {
	const followRedirectsElsewhere = false
	return &Runner{runtime: runtime, clock: clock, event: event, client: &http.Client{
		// The pod's own certificate proves nothing to the node; upstream does not check it either.
		Transport:     &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true},
		CheckRedirect: httpprobe.RedirectChecker(followRedirectsElsewhere),
	}}
}

// NewSimulated gives a runner for simulated containers.
func NewSimulated(runtime internalapi.RuntimeService, hooks Simulated, clock clock.Clock, event func(pod *v1.Pod, e lifecycle.Event)) *Runner {
	r := New(runtime, clock, event)
	r.simulated = hooks
	return r
}

// Run runs one hook of the container with the runtime's id, until it ends or
// ctx does; when is PostStart or PreStop. podIP is where web hooks go that name no
// host. The error's words are upstream's: they become the message of the
// container's state.
func (r *Runner) Run(ctx context.Context, pod *v1.Pod, c *v1.Container, id, podIP, when string, h *v1.LifecycleHandler) error {
	var what string
	var run func() error
	switch {
	case h.Exec != nil:
		what = fmt.Sprintf("Exec lifecycle hook (%v)", h.Exec.Command)
		run = func() error { return r.exec(ctx, id, h.Exec.Command) }
	case h.HTTPGet != nil:
		what = fmt.Sprintf("HTTP lifecycle hook (%s)", h.HTTPGet.Path)
		run = func() error { return r.get(ctx, pod, c, podIP, h.HTTPGet) }
	case h.Sleep != nil:
		what = fmt.Sprintf("Sleep lifecycle hook (%d)", h.Sleep.Seconds)
		run = func() error { return r.sleep(ctx, time.Duration(h.Sleep.Seconds)*time.Second) }
	default:
		//lint:ignore ST1005 upstream's words
		return fmt.Errorf("Cannot run handler: invalid handler: %v", h)
	}
	switch {
	case r.simulated != nil && h.Exec != nil:
		ctx = r.simulated.Asking(ctx, when)
	case r.simulated != nil:
		run = func() error { return r.simulated.Hook(ctx, id, when, h, c) }
	}
	err := run()
	if err != nil {
		return fmt.Errorf("%s for Container %q in Pod %q failed - error: %w", what, c.Name, format.Pod(pod), err)
	}
	return nil
}

func (r *Runner) exec(ctx context.Context, id string, command []string) error {
	stdout, stderr, err := r.runtime.ExecSync(ctx, id, command, 0)
	if err != nil {
		return fmt.Errorf("%w, message: %q", err, string(stdout)+string(stderr))
	}
	return nil
}

func (r *Runner) sleep(ctx context.Context, d time.Duration) error {
	if !clock.Wait(ctx, r.clock, d) {
		return errors.New("container terminated before sleep hook finished")
	}
	return nil
}

// get asks; any answer is a good one. A server that answers HTTPS with HTTP is
// asked again in its own way.
func (r *Runner) get(ctx context.Context, pod *v1.Pod, c *v1.Container, podIP string, h *v1.HTTPGetAction) error {
	if h.Host == "" && podIP == "" {
		return errors.New("failed to find networking container: the pod has no IP address")
	}
	request, err := httpprobe.NewRequestForHTTPGetAction(h, c, podIP, "lifecycle")
	if err != nil {
		return err
	}
	request = request.WithContext(ctx)
	err = r.ask(request)
	if wrong := new(url.Error); errors.As(err, &wrong) && strings.Contains(wrong.Err.Error(), "server gave HTTP response to HTTPS client") {
		again := request.Clone(ctx)
		again.URL.Scheme = "http"
		again.Header.Del("Authorization")
		if r.ask(again) == nil {
			r.event(pod, lifecycle.Event{Type: v1.EventTypeWarning, Reason: "LifecycleHTTPFallback",
				Message: fmt.Sprintf("request to HTTPS lifecycle hook %s got HTTP response, retry with HTTP succeeded", again.URL.Host)})
			return nil
		}
	}
	return err
}

func (r *Runner) ask(request *http.Request) error {
	response, err := r.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	// The hook was asked, which is all that counts: a body that breaks off is as good as any.
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, maxAnswer))
	return nil
}
