package cri

import (
	"context"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// A runtime that answers what Connect asks, and nothing else.
type runtime struct {
	runtimeapi.UnimplementedRuntimeServiceServer
	runtimeapi.UnimplementedImageServiceServer
}

func (runtime) Version(context.Context, *runtimeapi.VersionRequest) (*runtimeapi.VersionResponse, error) {
	return &runtimeapi.VersionResponse{Version: "0.1.0", RuntimeName: "test", RuntimeVersion: "1", RuntimeApiVersion: "v1"}, nil
}

func (runtime) ImageFsInfo(context.Context, *runtimeapi.ImageFsInfoRequest) (*runtimeapi.ImageFsInfoResponse, error) {
	return &runtimeapi.ImageFsInfoResponse{}, nil
}

func listen(t *testing.T, path string) net.Listener {
	t.Helper()
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// The runtime may be slow: first there is no socket, then a program that hangs
// up, then the runtime.
func TestConnectWaits(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cri.sock")
	result := make(chan error, 1)
	go func() {
		r, err := Connect(t.Context(), "unix://"+path)
		if err == nil {
			_, err = r.Version(t.Context(), "v1")
			r.Close(t.Context())
		}
		result <- err
	}()
	dying := listen(t, path)
	for range 2 {
		conn, err := dying.Accept()
		if err != nil {
			t.Fatal(err)
		}
		conn.Close()
	}
	if err := dying.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-result:
		t.Fatalf("Connect returned before the runtime was there: %v", err)
	default:
	}
	server := grpc.NewServer()
	defer server.Stop()
	runtimeapi.RegisterRuntimeServiceServer(server, runtime{})
	runtimeapi.RegisterImageServiceServer(server, runtime{})
	l := listen(t, path)
	go server.Serve(l) // ended by Stop
	if err := <-result; err != nil {
		t.Fatal(err)
	}
}

func TestConnectErrors(t *testing.T) {
	for endpoint, want := range map[string]string{
		"unix:///no/such.sock":       "no container runtime answers at unix:///no/such.sock: dial unix /no/such.sock: connect: no such file or directory",
		"/run/containerd.sock":       "want unix:///path/to/socket",
		"unix://run/containerd.sock": "want unix:///path/to/socket",
		"http://127.0.0.1:80":        "want unix:///path/to/socket",
		"":                           "want unix:///path/to/socket",
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		_, err := Connect(ctx, endpoint)
		cancel()
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want one with %q", endpoint, err, want)
		}
	}
}
