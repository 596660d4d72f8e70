package sim

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
	"k8s.io/cri-streaming/pkg/streaming"
	"k8s.io/cri-streaming/pkg/streaming/remotecommand"
	utilexec "k8s.io/utils/exec"

	"github.com/podling/podling/runtime/sim/shell"
)

// streams serves exec, attach and port-forward, as a runtime does: over HTTP, on
// loopback. It begins when it is first asked.
type streams struct {
	mu     sync.Mutex
	server streaming.Server
	http   *http.Server
}

func (r *Runtime) streaming() (streaming.Server, error) {
	s := &r.streams
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server != nil {
		return s.server, nil
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("serving the streams of simulated containers: %w", err)
	}
	config := streaming.DefaultConfig
	config.BaseURL = &url.URL{Scheme: "http", Host: l.Addr().String()}
	if s.server, err = streaming.NewServer(config, streamer{r}); err != nil {
		l.Close()
		return nil, err
	}
	s.http = &http.Server{Handler: s.server}
	go func() { _ = s.http.Serve(l) }() // it ends when it is closed
	return s.server, nil
}

func (s *streams) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.http == nil {
		return nil
	}
	err := s.http.Close()
	s.server, s.http = nil, nil
	return err
}

// Exec is the CRI's.
func (r *Runtime) Exec(_ context.Context, request *runtimeapi.ExecRequest) (*runtimeapi.ExecResponse, error) {
	if _, err := r.runs(request.GetContainerId()); err != nil {
		return nil, err
	}
	s, err := r.streaming()
	if err != nil {
		return nil, err
	}
	return s.GetExec(request)
}

// Attach is the CRI's.
func (r *Runtime) Attach(_ context.Context, request *runtimeapi.AttachRequest) (*runtimeapi.AttachResponse, error) {
	if _, err := r.runs(request.GetContainerId()); err != nil {
		return nil, err
	}
	s, err := r.streaming()
	if err != nil {
		return nil, err
	}
	return s.GetAttach(request)
}

// PortForward is the CRI's.
func (r *Runtime) PortForward(_ context.Context, request *runtimeapi.PortForwardRequest) (*runtimeapi.PortForwardResponse, error) {
	r.mu.Lock()
	sandbox, err := r.findSandbox(request.GetPodSandboxId())
	if err == nil && sandbox.state != runtimeapi.PodSandboxState_SANDBOX_READY {
		err = status.Errorf(codes.Unknown, "sandbox container %q is not running", sandbox.id)
	}
	r.mu.Unlock()
	if err != nil {
		return nil, err
	}
	s, err := r.streaming()
	if err != nil {
		return nil, err
	}
	return s.GetPortForward(request)
}

// forwardLimit is how long a forwarded request may take.
const forwardLimit = time.Minute

// streamer carries the streams out.
type streamer struct{ r *Runtime }

// Exec is streaming.Runtime's.
func (s streamer) Exec(ctx context.Context, id string, command []string, in io.Reader, out, bad io.WriteCloser, _ bool, _ <-chan remotecommand.TerminalSize) error {
	c, err := s.r.runs(id)
	if err != nil {
		return err
	}
	s.r.clk.Begin()
	defer s.r.clk.End()
	var input shell.Input
	if in != nil {
		input = in
	}
	result, err := c.machine().Stream(ctx, command, 0, input, writer(out, bad))
	if err != nil {
		return fmt.Errorf("failed to exec in container: OCI runtime exec failed: exec failed: unable to start container process: %w", err)
	}
	if result.Code != 0 {
		return utilexec.CodeExitError{Err: fmt.Errorf("command terminated with exit code %d", result.Code), Code: result.Code}
	}
	return nil
}

// writer hands output to two streams; a terminal has only the first.
func writer(out, bad io.Writer) func(string, []byte) {
	return func(stream string, b []byte) {
		to := out
		if stream == "stderr" && bad != nil {
			to = bad
		}
		if to != nil {
			_, _ = to.Write(b) // the caller may have gone
		}
	}
}

// Attach is streaming.Runtime's: it shows what the container writes until it ends.
func (s streamer) Attach(ctx context.Context, id string, _ io.Reader, out, bad io.WriteCloser, _ bool, _ <-chan remotecommand.TerminalSize) error {
	c, err := s.r.runs(id)
	if err != nil {
		return err
	}
	defer c.watch(writer(out, bad))()
	s.r.clk.Begin()
	defer s.r.clk.End()
	w := s.r.waiter(ctx, 0)
	defer w.stop()
	defer c.join(w)()
	for c.running() && ctx.Err() == nil {
		w.wait()
	}
	return nil
}

// PortForward is streaming.Runtime's: one request, one answer.
func (s streamer) PortForward(_ context.Context, id string, port int32, stream io.ReadWriteCloser) error {
	defer stream.Close()
	s.r.mu.Lock()
	sandbox, err := s.r.findSandbox(id)
	var n *shell.Net
	if err == nil {
		n = sandbox.net
	}
	s.r.mu.Unlock()
	if err != nil {
		return err
	}
	if !n.Listens(int(port)) {
		return fmt.Errorf("failed to connect to localhost:%d inside namespace %q: dial tcp4 127.0.0.1:%d: connect: connection refused", port, id, port)
	}
	buf := make([]byte, 64<<10)
	k, err := stream.Read(buf)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	s.r.clk.Begin()
	response, _ := n.Ask(s.r.clk, int(port), buf[:k], forwardLimit)
	s.r.clk.End()
	_, err = stream.Write(response)
	return err
}
