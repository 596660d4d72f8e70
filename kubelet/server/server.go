package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"
	internalapi "k8s.io/cri-api/pkg/apis"
	"k8s.io/klog/v2"
	kubeletconfig "k8s.io/kubelet/config/v1beta1"
	"k8s.io/kubernetes/pkg/kubelet/server/stats"

	"github.com/podling/podling/clock"
	clockremote "github.com/podling/podling/clock/remote"
	"github.com/podling/podling/runtime/fault"
	"github.com/podling/podling/runtime/fault/remote"
	simremote "github.com/podling/podling/runtime/sim/remote"
)

const (
	// readHeaderTimeout is how long a caller may take to say what it wants.
	readHeaderTimeout = 10 * time.Second
	// idleTimeout is how long a connection is kept for the caller's next request.
	idleTimeout = 90 * time.Second
	// shutdownTimeout is how long requests under way have to end by themselves at the end.
	shutdownTimeout = 100 * time.Millisecond
)

// Config says what a server shows and to whom.
type Config struct {
	// Listen is the ADDR:PORT to bind; port 0 is any that is free.
	Listen string
	// Cert is shown to callers, or, as soon as it has one, what Renewed gives. ClientCAs sign for those who come with a certificate; for bearer
	// tokens, and for what everybody may do, Client asks the API server.
	Cert      tls.Certificate
	Renewed   func() *tls.Certificate // may be nil
	ClientCAs *x509.CertPool
	Client    kubernetes.Interface
	// NodeName is the node that callers need rights on; empty is all nodes.
	NodeName string
	// Runtime has the pod's containers.
	Runtime func(pod *v1.Pod) internalapi.RuntimeService
	// Pods are the node's pods with the status that the node decided last: it says which container
	// is meant by a name. They are not changed.
	Pods func() []*v1.Pod
	// Summary is what the node and its pods use; nil where one port is many nodes'.
	Summary stats.SummaryProvider
	// Probes are the metrics of the node's probes; nil where they are simulated.
	Probes http.Handler
	// Configuration is how the node is configured, in upstream's words; nil where it has none.
	Configuration *kubeletconfig.KubeletConfiguration
	// Faults are those of the calls to Runtime.
	Faults *fault.Faults
	// Clock is what the node goes by; nil is the machine's.
	Clock *clock.Virtual
	// Profiles are those of simulated containers; nil where they are real.
	Profiles Profiles
	// MaxStreams is how many streams callers may have open at once; 1000 if 0.
	MaxStreams int
}

// Server is a node's port that is bound.
type Server struct {
	cfg      Config
	access   *access
	listener *trackingListener
	streams  chan struct{} // one for each that is open
}

// Listen binds the port. Callers wait until Serve.
func Listen(cfg Config) (*Server, error) {
	access, err := newAccess(cfg.NodeName, cfg.ClientCAs, cfg.Client)
	if err != nil {
		return nil, err
	}
	if cfg.MaxStreams == 0 {
		cfg.MaxStreams = maxStreams
	}
	listener, err := net.Listen("tcp", cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("the node's own port: %w", err)
	}
	return &Server{cfg: cfg, access: access, listener: track(listener), streams: make(chan struct{}, cfg.MaxStreams)}, nil
}

// Port is the port that was bound.
func (s *Server) Port() int32 {
	return int32(s.listener.Addr().(*net.TCPAddr).Port)
}

// Close gives the port back if Serve is never called.
func (s *Server) Close() error { return s.listener.Close() }

// Serve answers until ctx ends, then ends the streams that are still open too.
func (s *Server) Serve(ctx context.Context) error {
	server := &http.Server{
		Handler:           s.handler(),
		ReadHeaderTimeout: readHeaderTimeout,
		IdleTimeout:       idleTimeout,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ErrorLog:          log.New(klogWriter{ctx}, "", 0),
		TLSConfig: &tls.Config{
			GetCertificate: s.certificate,
			ClientAuth:     tls.RequestClientCert, // access looks at it: a bad one is answered, not hung up on
			MinVersion:     tls.VersionTLS12,
		},
	}
	served := make(chan error, 1)
	go func() { served <- server.ServeTLS(s.listener, "", "") }()
	var err error
	select {
	case err = <-served:
		err = fmt.Errorf("the node's own port ended: %w", err)
	case <-ctx.Done():
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
		defer cancel()
		if err = server.Shutdown(ending); errors.Is(err, context.DeadlineExceeded) {
			err = nil // those that are left are closed below
		}
		<-served
	}
	s.listener.closeAll()
	return err
}

// certificate is what a caller is shown now.
func (s *Server) certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	if s.cfg.Renewed != nil {
		if renewed := s.cfg.Renewed(); renewed != nil {
			return renewed, nil
		}
	}
	return &s.cfg.Cert, nil
}

// handler is what is behind each path.
func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", healthz)
	mux.HandleFunc("GET /pods", s.pods)
	mux.Handle("GET /metrics", ownMetrics())
	if s.cfg.Probes != nil {
		mux.Handle("GET /metrics/probes", s.cfg.Probes)
	}
	if s.cfg.Summary != nil {
		mux.HandleFunc("GET /stats/summary", s.summary)
		mux.Handle("GET /metrics/resource", resourceMetrics(s.cfg.Summary))
	}
	if s.cfg.Configuration != nil {
		mux.HandleFunc("GET /configz", s.configz)
	}
	mux.HandleFunc("GET "+remote.Path, s.listFaults)
	mux.HandleFunc("POST "+remote.Path, s.addFault)
	mux.HandleFunc("DELETE "+remote.Path+"/{name}", s.removeFault)
	mux.HandleFunc("GET "+clockremote.Path, s.showClock)
	mux.HandleFunc("POST "+clockremote.Path+"/"+clockremote.Advance, s.advanceClock)
	mux.HandleFunc("POST "+clockremote.Path+"/"+clockremote.Pause, s.virtual((*clock.Virtual).Pause))
	mux.HandleFunc("POST "+clockremote.Path+"/"+clockremote.Resume, s.virtual((*clock.Virtual).Resume))
	mux.HandleFunc("GET "+simremote.Path, s.simulated(s.listProfiles))
	mux.HandleFunc("POST "+simremote.Path, s.simulated(s.addProfile))
	mux.HandleFunc("DELETE "+simremote.Path+"/{name}", s.simulated(s.removeProfile))
	mux.HandleFunc("GET /containerLogs/{namespace}/{pod}/{container}", s.reached(s.followed(s.logs)))
	for _, uid := range []string{"", "/{uid}"} {
		for _, method := range []string{"GET", "POST"} {
			mux.HandleFunc(method+" /exec/{namespace}/{pod}"+uid+"/{container}", s.reached(s.called(s.counted(s.exec))))
			mux.HandleFunc(method+" /attach/{namespace}/{pod}"+uid+"/{container}", s.reached(s.called(s.counted(s.attach))))
			mux.HandleFunc(method+" /portForward/{namespace}/{pod}"+uid, s.reached(s.called(s.counted(s.portForward))))
		}
		mux.HandleFunc("POST /run/{namespace}/{pod}"+uid+"/{container}", s.reached(s.called(s.counted(s.run))))
	}
	return s.access.only(mux)
}

// klogWriter is where net/http's own complaints go (a caller without a certificate, most of all).
type klogWriter struct{ ctx context.Context }

func (w klogWriter) Write(line []byte) (int, error) {
	klog.FromContext(w.ctx).V(2).Info("Node port", "message", string(line))
	return len(line), nil
}
