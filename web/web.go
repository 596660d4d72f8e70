// Package web shows a trace in a browser: pods as lanes over time, with their phases, conditions,
// containers and Events, and each of their states on its own. It stands beside the printers of package
// trace at the end of a pod's way: trace.Event → Server → the page, which is embedded in the program.
//
// The page gets the lines of a recording (docs/recording.md), live or from a file, and works on these
// alone: a file that is dropped on it need not go to the server. What is served is for the one person
// who started it: see guard.go.
package web

import (
	"context"
	"crypto/rand"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"strconv"
	"time"

	"k8s.io/klog/v2"

	"github.com/podling/podling/trace"
)

//go:embed static
var static embed.FS

// Config is what a Server shows.
type Config struct {
	// Title is what is looked at: a cluster's address or a file's name.
	Title string
	// Live says that events go on coming. A Server that is not live shows what was added before Serve.
	Live bool
	// Version is podling's.
	Version string
	// Explain, if set, explains how it stands with the pod of these events after the last of them; what
	// it returns is sent as JSON.
	Explain func(ctx context.Context, events []trace.Event) (any, error)
}

// Server serves the page and what it shows.
type Server struct {
	config   Config
	feed     *feed
	listener net.Listener
	token    string
}

// Listen opens a port of the loopback interface, 0 being one that the kernel picks.
func Listen(port int, config Config) (*Server, error) {
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return nil, fmt.Errorf("the page's port: %w", err)
	}
	return &Server{config: config, feed: newFeed(mostKept), listener: l, token: rand.Text()}, nil
}

// URL is the page's address, with what lets its reader in.
func (s *Server) URL() string { return s.origin() + "/?token=" + s.token }

func (s *Server) origin() string { return "http://" + s.listener.Addr().String() }

// Add shows an event to those who look, and to those who come later.
func (s *Server) Add(e trace.Event) error { return s.feed.add(e) }

// Serve answers until ctx ends.
func (s *Server) Serve(ctx context.Context) error {
	server := &http.Server{
		Handler: s.handler(), ReadHeaderTimeout: 10 * time.Second,
		BaseContext: func(net.Listener) context.Context { return ctx }, // streams end with it
	}
	stopped := make(chan error, 1)
	go func() {
		<-ctx.Done()
		patience, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		stopped <- server.Shutdown(patience)
	}()
	if err := server.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-stopped
}

func (s *Server) handler() http.Handler {
	files, err := fs.Sub(static, "static")
	if err != nil {
		panic(err) // the folder is part of the program
	}
	mux := http.NewServeMux()
	mux.Handle("GET /", http.FileServerFS(files))
	mux.HandleFunc("GET /about", s.about)
	mux.HandleFunc("GET /events", s.events)
	mux.HandleFunc("POST /explain", s.explain)
	return s.guard(mux)
}

// about is what the page asks first.
func (s *Server) about(w http.ResponseWriter, _ *http.Request) {
	answer(w, map[string]any{
		"title": s.config.Title, "live": s.config.Live, "version": s.config.Version, "explains": s.config.Explain != nil,
	})
}

// mostAsked is the longest timeline that is explained, in bytes.
const mostAsked = 32 << 20

// explain explains the pod of the recording in the request's body.
func (s *Server) explain(w http.ResponseWriter, r *http.Request) {
	if s.config.Explain == nil {
		http.Error(w, "nothing is explained here", http.StatusNotFound)
		return
	}
	rec, err := trace.ReadRecording(http.MaxBytesReader(w, r.Body, mostAsked))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if len(rec.Problems) > 0 {
		http.Error(w, rec.Problems[0].Error(), http.StatusBadRequest)
		return
	}
	explanation, err := s.config.Explain(r.Context(), rec.Events)
	if err != nil {
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
		return
	}
	answer(w, explanation)
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(v); err != nil {
		klog.Background().V(2).Info("An answer to the page was not sent", "err", err)
	}
}
