package server

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/proxy"
	translator "k8s.io/apiserver/pkg/util/proxy"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
	"k8s.io/klog/v2"
	"k8s.io/streaming/pkg/httpstream/wsstream"
)

const (
	// labelPodUID is the label by which the runtime's sandboxes are found, upstream's own.
	labelPodUID = "io.kubernetes.pod.uid"
	// maxStreams is how many streams callers may have open at once. Each is a process or a connection in a
	// pod and some sockets: many times as many as people use, and no machine falls over them.
	maxStreams = 1000
	// runTimeout is how long a command of /run may take.
	runTimeout = 2 * time.Minute
)

// exec runs a command in a container, its streams the caller's.
func (s *Server) exec(w http.ResponseWriter, r *http.Request) {
	s.containerStream(w, r, func(c container, o translator.Options) (string, error) {
		response, err := c.runtime.Exec(r.Context(), &runtimeapi.ExecRequest{
			ContainerId: c.id, Cmd: r.URL.Query()[v1.ExecCommandParam],
			Stdin: o.Stdin, Stdout: o.Stdout, Stderr: o.Stderr, Tty: o.Tty,
		})
		return response.GetUrl(), err
	})
}

// attach gives the caller the streams of a container's first process.
func (s *Server) attach(w http.ResponseWriter, r *http.Request) {
	s.containerStream(w, r, func(c container, o translator.Options) (string, error) {
		response, err := c.runtime.Attach(r.Context(), &runtimeapi.AttachRequest{
			ContainerId: c.id, Stdin: o.Stdin, Stdout: o.Stdout, Stderr: o.Stderr, Tty: o.Tty,
		})
		return response.GetUrl(), err
	})
}

// containerStream connects the caller with the address at which the runtime serves a container's
// streams.
func (s *Server) containerStream(w http.ResponseWriter, r *http.Request, ask func(c container, o translator.Options) (string, error)) {
	options, wrong := streamOptions(r.URL.Query())
	if wrong != nil {
		http.Error(w, wrong.Error(), wrong.code)
		return
	}
	c, wrong := s.running(r)
	if wrong != nil {
		http.Error(w, wrong.Error(), wrong.code)
		return
	}
	location, err := ask(c, options)
	if err != nil {
		runtimeError(w, c.why(r, err))
		return
	}
	connect(w, r, location, func(location *url.URL, direct http.Handler) http.Handler {
		if wsstream.IsWebSocketRequestWithStreamCloseProtocol(r) {
			return translator.NewStreamTranslatorHandler(location, nil, 0, options)
		}
		return direct
	})
}

// portForward connects the caller with ports of a pod.
func (s *Server) portForward(w http.ResponseWriter, r *http.Request) {
	tunnel := wsstream.IsWebSocketRequestWithTunnelingProtocol(r)
	var ports []int32 // SPDY, tunnelled or not, names them as it goes
	if wsstream.IsWebSocketRequest(r) && !tunnel {
		var wrong *httpError
		if ports, wrong = portsOf(r.URL.Query()[v1.PortHeader]); wrong != nil {
			http.Error(w, wrong.Error(), wrong.code)
			return
		}
	}
	pod, wrong := s.pod(r)
	if wrong != nil {
		http.Error(w, wrong.Error(), wrong.code)
		return
	}
	sandbox, err := s.sandbox(r, pod)
	if err != nil {
		runtimeError(w, err)
		return
	}
	response, err := s.cfg.Runtime(pod).PortForward(r.Context(), &runtimeapi.PortForwardRequest{PodSandboxId: sandbox, Port: ports})
	if err != nil {
		runtimeError(w, err)
		return
	}
	connect(w, r, response.GetUrl(), func(_ *url.URL, direct http.Handler) http.Handler {
		if tunnel {
			return translator.NewTunnelingHandler(direct)
		}
		return direct
	})
}

// run runs a command, its words separated by spaces, to its end and answers with what it wrote.
func (s *Server) run(w http.ResponseWriter, r *http.Request) {
	// Other blanks are a word's own (upstream: getRun in pkg/kubelet/server/server.go).
	command := strings.FieldsFunc(r.URL.Query().Get("cmd"), func(c rune) bool { return c == ' ' })
	if len(command) == 0 {
		http.Error(w, `query parameter "cmd" is required`, http.StatusBadRequest)
		return
	}
	c, wrong := s.running(r)
	if wrong != nil {
		http.Error(w, wrong.Error(), wrong.code)
		return
	}
	stdout, stderr, err := c.runtime.ExecSync(r.Context(), c.id, command, runTimeout)
	if err != nil {
		runtimeError(w, c.why(r, err))
		return
	}
	w.Write(stdout)
	w.Write(stderr)
}

// why is err, or that the container has ended since the node looked, if that is why it failed.
func (c container) why(r *http.Request, err error) error {
	response, gone := c.runtime.ContainerStatus(r.Context(), c.id, false)
	if status.Code(gone) == codes.NotFound || gone == nil && response.GetStatus().GetState() == runtimeapi.ContainerState_CONTAINER_EXITED {
		return status.Errorf(codes.NotFound, "the container has ended: %v", err)
	}
	return err
}

// sandbox is the id of the pod's youngest sandbox that is ready.
func (s *Server) sandbox(r *http.Request, pod *v1.Pod) (string, error) {
	list, err := s.cfg.Runtime(pod).ListPodSandbox(r.Context(), &runtimeapi.PodSandboxFilter{
		LabelSelector: map[string]string{labelPodUID: string(pod.UID)},
		State:         &runtimeapi.PodSandboxStateValue{State: runtimeapi.PodSandboxState_SANDBOX_READY},
	})
	if err != nil {
		return "", err
	}
	if len(list) == 0 {
		return "", status.Errorf(codes.NotFound, "pod %q has no sandbox that is ready: its ports cannot be reached", pod.Name)
	}
	youngest := slices.MaxFunc(list, func(a, b *runtimeapi.PodSandbox) int { return cmp.Compare(a.CreatedAt, b.CreatedAt) })
	return youngest.Id, nil
}

// counted refuses callers while as many streams are open as may be.
func (s *Server) counted(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		select {
		case s.streams <- struct{}{}:
		default:
			w.Header().Set("Retry-After", "1")
			http.Error(w, fmt.Sprintf("%d streams are open on this node (exec, attach, port-forward, run, logs that are followed), as many as may be: end some, or try again later", cap(s.streams)), http.StatusTooManyRequests)
			return
		}
		defer func() { <-s.streams }()
		next(w, r)
	}
}

// followed counts those that do not end by themselves.
func (s *Server) followed(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if follow, err := strconv.ParseBool(r.URL.Query().Get("follow")); err == nil && follow {
			s.counted(next)(w, r)
			return
		}
		next(w, r)
	}
}

// connect hands the caller's connection, upgraded, to the runtime's address.
func connect(w http.ResponseWriter, r *http.Request, address string, wrap func(*url.URL, http.Handler) http.Handler) {
	location, err := url.Parse(address)
	if err != nil || location.Host == "" {
		http.Error(w, "the runtime gave no address for the stream", http.StatusInternalServerError)
		return
	}
	direct := proxy.NewUpgradeAwareHandler(location, nil, false, true, responder{})
	wrap(location, direct).ServeHTTP(w, r)
}

// responder answers when the runtime's address cannot be reached, or is not asked to upgrade.
type responder struct{}

// Error is proxy.ErrorResponder's.
func (responder) Error(w http.ResponseWriter, r *http.Request, err error) {
	code := http.StatusInternalServerError
	var status apierrors.APIStatus
	if errors.As(err, &status) {
		code = int(status.Status().Code)
	}
	klog.FromContext(r.Context()).V(2).Info("No stream to the runtime", "path", r.URL.Path, "err", err)
	http.Error(w, err.Error(), code)
}

// runtimeError answers with what the runtime said, by cri-streaming's codes.
func runtimeError(w http.ResponseWriter, err error) {
	code := http.StatusInternalServerError
	switch status.Code(err) {
	case codes.NotFound:
		code = http.StatusNotFound
	case codes.ResourceExhausted:
		code = http.StatusTooManyRequests
	case codes.Unavailable:
		code = http.StatusServiceUnavailable
	}
	http.Error(w, err.Error(), code)
}

// streamOptions are the streams that a caller of exec or attach wants. A terminal has no error
// stream of its own.
func streamOptions(query url.Values) (translator.Options, *httpError) {
	wants := func(name string) bool { return query.Get(name) == "1" }
	o := translator.Options{
		Stdin:  wants(v1.ExecStdinParam),
		Stdout: wants(v1.ExecStdoutParam),
		Stderr: wants(v1.ExecStderrParam) && !wants(v1.ExecTTYParam),
		Tty:    wants(v1.ExecTTYParam),
	}
	if !o.Stdin && !o.Stdout && !o.Stderr {
		return o, httpErrorf(http.StatusBadRequest, "you must specify at least 1 of stdin, stdout, stderr")
	}
	return o, nil
}

// portsOf reads ports, each value one or several with commas between.
func portsOf(values []string) ([]int32, *httpError) {
	var ports []int32
	for _, value := range values {
		for text := range strings.SplitSeq(value, ",") {
			port, err := strconv.ParseUint(text, 10, 16)
			if err != nil || port == 0 {
				return nil, httpErrorf(http.StatusBadRequest, "query parameter %q: %q is not a port", v1.PortHeader, text)
			}
			ports = append(ports, int32(port))
		}
	}
	if len(ports) == 0 {
		return nil, httpErrorf(http.StatusBadRequest, "query parameter %q is required", v1.PortHeader)
	}
	return ports, nil
}
