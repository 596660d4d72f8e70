package server_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	goruntime "runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/remotecommand"

	"github.com/podling/podling/kubelet/server"
	"github.com/podling/podling/runtime/fault/remote"
)

// held is what a process has open, as far as it can be counted.
type held struct{ goroutines, files int }

func holds(t *testing.T) held {
	t.Helper()
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return held{goruntime.NumGoroutine(), len(files)}
}

// Of more streams than may be open, those that are too many are refused, in thousands too; what is no stream
// goes on, and so do streams once others have ended. Nothing stays.
func TestTooManyStreams(t *testing.T) {
	const most, more = 6, 2000
	client, _ := serve(t, func(c *server.Config) { c.MaxStreams = most })
	asking, err := rest.HTTPClientFor(client) // one for all: its connections are used again
	if err != nil {
		t.Fatal(err)
	}
	ask := func(method, path string) (int, string, string) {
		request, err := http.NewRequestWithContext(t.Context(), method, client.Host+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := asking.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		code, body := read(t, response)
		return code, body, response.Header.Get("Retry-After")
	}
	ask("GET", "/healthz")
	before := holds(t)

	ctx, cancel := context.WithCancel(t.Context())
	var open sync.WaitGroup
	for i := range most {
		out, write := io.Pipe()
		open.Go(func() {
			script := url.QueryEscape("echo begun; sleep 3600")
			err := stream(ctx, t, []string{"SPDY", "WebSocket"}[i%2], client, "/exec/default/pod/lines?command=sh&command=-c&command="+script+"&output=1", remotecommand.StreamOptions{Stdout: write})
			write.CloseWithError(fmt.Errorf("ended: %w", err))
		})
		line := make([]byte, len("begun"))
		if _, err := io.ReadFull(out, line); err != nil {
			t.Fatal(err)
		}
		go io.Copy(io.Discard, out)
	}
	for method, path := range map[string]string{
		"POST /exec":        "/exec/default/pod/lines?command=true&output=1",
		"GET /exec":         "/exec/default/pod/lines?command=true&output=1",
		"POST /attach":      "/attach/default/pod/lines?output=1",
		"POST /portForward": "/portForward/default/pod",
		"POST /run":         "/run/default/pod/lines?cmd=true",
		"GET /logs":         "/containerLogs/default/pod/lines?follow=true",
	} {
		method, _, _ := strings.Cut(method, " ")
		for range more / 6 {
			if code, body, again := ask(method, path); code != http.StatusTooManyRequests || again != "1" || !strings.HasPrefix(body, "6 streams are open on this node") {
				t.Fatalf("%s %s: %d, %q, again after %q", method, path, code, body, again)
			}
		}
	}
	for _, path := range []string{"/healthz", "/pods", "/containerLogs/default/pod/lines?tailLines=1"} {
		if code, body, _ := ask("GET", path); code != http.StatusOK {
			t.Errorf("%s: %d, %q", path, code, body)
		}
	}
	cancel()
	open.Wait()
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		code, body, _ := ask("POST", "/run/default/pod/lines?cmd=true")
		now := holds(t)
		if code == http.StatusOK && now.goroutines <= before.goroutines+3 && now.files <= before.files+3 {
			return
		}
		if time.Since(began) > patience {
			t.Fatalf("after the streams have ended: %d %q; %+v are open, %+v were", code, body, now, before)
		}
	}
}

// zeros counts what is read of it.
type zeros struct{ read atomic.Int64 }

func (z *zeros) Read(into []byte) (int, error) {
	clear(into)
	z.read.Add(int64(len(into)))
	return len(into), nil
}

// Of a request of a gigabyte no more is taken than the sockets hold.
func TestGigabyte(t *testing.T) {
	client, _ := serve(t)
	const gigabyte = 1 << 30
	for path, want := range map[string]int{
		"/run/default/pod/lines?cmd=true":                     http.StatusOK, // which has no use for it
		"/run/default/pod/none?cmd=true":                      http.StatusNotFound,
		"/exec/default/pod/lines?command=cat&input=1":         http.StatusBadRequest, // no upgrade
		"/portForward/default/pod":                            http.StatusBadRequest,
		"/containerLogs/default/pod/lines":                    http.StatusMethodNotAllowed,
		remote.Path:                                           http.StatusRequestEntityTooLarge,
		"/podling/clock/advance":                              http.StatusConflict,
		"/run/default/pod/lines":                              http.StatusBadRequest,
		"/run/default/pod/lines?cmd=" + url.QueryEscape("  "): http.StatusBadRequest,
	} {
		z := &zeros{}
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, client.Host+path, io.LimitReader(z, gigabyte))
		if err != nil {
			t.Fatal(err)
		}
		request.ContentLength = gigabyte
		transport, err := rest.HTTPClientFor(client)
		if err != nil {
			t.Fatal(err)
		}
		response, err := transport.Do(request)
		if err != nil {
			t.Errorf("%s: %v after %d bytes", path, err, z.read.Load())
			continue
		}
		if code, body := read(t, response); code != want {
			t.Errorf("%s: %d, %.200q; want %d", path, code, body, want)
		}
		if n := z.read.Load(); n > 64<<20 {
			t.Errorf("%s: %d bytes were taken", path, n)
		}
	}
}

// A header of megabytes is refused before it is read to its end.
func TestLongHeader(t *testing.T) {
	client, ca := serve(t)
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	conn, err := tls.Dial("tcp", strings.TrimPrefix(client.Host, "https://"), &tls.Config{RootCAs: pool, NextProtos: []string{"http/1.1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	go func() {
		// It fails as soon as the server has had enough.
		_, _ = fmt.Fprintf(conn, "GET /healthz HTTP/1.1\r\nHost: n\r\nCookie: %s\r\n\r\n", strings.Repeat("x", 4<<20))
	}()
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	if code, _ := read(t, response); code != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("%d", code)
	}
}

// A container that has ended, or that the runtime has no more, although the node has not heard of it yet, is
// not found.
func TestContainerThatIsGone(t *testing.T) {
	pod := thePod.DeepCopy()
	for i, c := range pod.Status.ContainerStatuses {
		runs := c.DeepCopy()
		switch runs.State = thePod.Status.ContainerStatuses[0].State; c.Name {
		case "before": // it ended
		case "pulling":
			runs.ContainerID = "containerd://" + strings.Repeat("0", 64)
		default:
			continue
		}
		pod.Status.ContainerStatuses[i] = *runs
	}
	client, _ := serve(t, func(c *server.Config) { c.Pods = func() []*v1.Pod { return []*v1.Pod{pod} } })
	eventually(t, client, "/containerLogs/default/pod/before", "the one before\n")
	for _, container := range []string{"before", "pulling"} {
		for _, path := range []string{"/exec/default/pod/%s?command=true&output=1", "/attach/default/pod/%s?output=1", "/run/default/pod/%s?cmd=true"} {
			if code, body := do(t, client, http.MethodPost, fmt.Sprintf(path, container)); code != http.StatusNotFound || !strings.Contains(body, "the container has ended") {
				t.Errorf(path+": %d, %s", container, code, body)
			}
		}
	}
}
