// Package etcdlog sends what the API server's etcd clients log to the control plane's log. No pod
// passes here.
//
// Upstream makes the logger of those clients while the program is initialised, for standard error,
// and leaves no way to change it later. So this package changes the configuration that it is made
// from, and must do so earlier: it imports nothing of Kubernetes, and of the packages that are ready
// to be initialised Go takes the first by import path (Go specification, "Program initialization").
package etcdlog

import (
	"io"
	"net/url"
	"sync"

	"go.etcd.io/etcd/client/pkg/v3/logutil"
	"go.uber.org/zap"
)

// scheme is how a zap configuration names the output.
const scheme = "podling-etcd"

// output is where it goes: nowhere until SetOutput.
var output = &sink{w: io.Discard}

func init() {
	if err := zap.RegisterSink(scheme, func(*url.URL) (zap.Sink, error) { return output, nil }); err != nil {
		panic(err) // the scheme is registered twice
	}
	logutil.DefaultZapLoggerConfig.OutputPaths = []string{scheme + ":log"}
	logutil.DefaultZapLoggerConfig.ErrorOutputPaths = []string{scheme + ":log"}
}

// SetOutput sends what is logged from here on to w. The loggers are the process's, so where several
// control planes run in one process, the last one started has them.
func SetOutput(w io.Writer) {
	output.mu.Lock()
	defer output.mu.Unlock()
	output.w = w
}

// sink writes to whatever SetOutput has set.
type sink struct {
	mu sync.Mutex
	w  io.Writer
}

// Write writes one entry.
func (s *sink) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.w.Write(p)
}

// Sync has nothing to do: entries are written at once.
func (s *sink) Sync() error { return nil }

// Close has nothing to do: the output is its opener's.
func (s *sink) Close() error { return nil }
