package server_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/client-go/transport/spdy"
	"k8s.io/client-go/util/exec"
)

// executors are the two ways in which kubectl opens streams.
var executors = map[string]func(*rest.Config, *url.URL) (remotecommand.Executor, error){
	"SPDY": func(c *rest.Config, u *url.URL) (remotecommand.Executor, error) {
		return remotecommand.NewSPDYExecutor(c, http.MethodPost, u)
	},
	"WebSocket": func(c *rest.Config, u *url.URL) (remotecommand.Executor, error) {
		return remotecommand.NewWebSocketExecutor(c, http.MethodGet, u.String())
	},
}

// stream opens a path's streams and waits for their end.
func stream(ctx context.Context, t *testing.T, how string, client *rest.Config, path string, options remotecommand.StreamOptions) error {
	t.Helper()
	location, err := url.Parse(client.Host + path)
	if err != nil {
		t.Fatal(err)
	}
	executor, err := executors[how](client, location)
	if err != nil {
		t.Fatal(err)
	}
	return executor.StreamWithContext(ctx, options)
}

func TestExec(t *testing.T) {
	client, _ := serve(t)
	for how := range executors {
		t.Run(how, func(t *testing.T) {
			var out, errOut bytes.Buffer
			script := url.QueryEscape("cat; echo bad >&2; exit 7")
			err := stream(t.Context(), t, how, client, "/exec/default/pod/lines?command=sh&command=-c&command="+script+"&input=1&output=1&error=1",
				remotecommand.StreamOptions{Stdin: strings.NewReader("some input"), Stdout: &out, Stderr: &errOut})
			var ended exec.CodeExitError
			if !errors.As(err, &ended) || ended.Code != 7 {
				t.Errorf("the command ended with %v", err)
			}
			if out.String() != "some input" || errOut.String() != "bad\n" {
				t.Errorf("out %q, error %q", out.String(), errOut.String())
			}
			out.Reset()
			err = stream(t.Context(), t, how, client, "/exec/default/pod/the-uid/lines?command=sh&command=-c&command="+url.QueryEscape("test -t 1 && echo terminal")+"&output=1&error=1&tty=1",
				remotecommand.StreamOptions{Stdout: &out, Tty: true})
			if err != nil || out.String() != "terminal\r\n" {
				t.Errorf("with a terminal: %q, %v", out.String(), err)
			}
			err = stream(t.Context(), t, how, client, "/exec/default/pod/none?command=true&output=1", remotecommand.StreamOptions{Stdout: &out})
			if err == nil || !strings.Contains(err.Error(), `container not found ("none")`) && how == "SPDY" {
				t.Errorf("a container that is not there: %v", err)
			}
		})
	}
}

// What is written to a container's input comes out of it, as long as one is attached.
func TestAttach(t *testing.T) {
	client, _ := serve(t)
	for how := range executors {
		t.Run(how, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			input, write := io.Pipe()
			read, output := io.Pipe()
			ended := make(chan error, 1)
			go func() {
				ended <- stream(ctx, t, how, client, "/attach/default/pod/echo?input=1&output=1&error=1",
					remotecommand.StreamOptions{Stdin: input, Stdout: output, Stderr: io.Discard})
				output.Close()
			}()
			if _, err := io.WriteString(write, how+"\n"); err != nil {
				t.Fatal(err)
			}
			want := "got " + how + "\n"
			got := make([]byte, len(want))
			if _, err := io.ReadFull(read, got); err != nil || string(got) != want {
				t.Errorf("%q, %v", got, err)
			}
			cancel()
			write.Close()
			go io.Copy(io.Discard, read)
			<-ended
		})
	}
}

func TestPortForward(t *testing.T) {
	client, _ := serve(t)
	location, err := url.Parse(client.Host + "/portForward/default/pod")
	if err != nil {
		t.Fatal(err)
	}
	transport, upgrader, err := spdy.RoundTripperFor(client)
	if err != nil {
		t.Fatal(err)
	}
	tunnel, err := portforward.NewSPDYOverWebsocketDialer(location, client)
	if err != nil {
		t.Fatal(err)
	}
	direct := spdy.NewDialer(upgrader, &http.Client{Transport: transport}, http.MethodPost, location)
	addresses, ports := []string{"127.0.0.1"}, []string{":8080"}
	for how, forward := range map[string]func(stop, ready chan struct{}) (*portforward.PortForwarder, error){
		"SPDY": func(stop, ready chan struct{}) (*portforward.PortForwarder, error) {
			return portforward.NewOnAddresses(direct, addresses, ports, stop, ready, io.Discard, io.Discard)
		},
		"WebSocket": func(stop, ready chan struct{}) (*portforward.PortForwarder, error) {
			return portforward.NewOnAddresses(tunnel, addresses, ports, stop, ready, io.Discard, io.Discard)
		},
	} {
		t.Run(how, func(t *testing.T) {
			stop, ready := make(chan struct{}), make(chan struct{})
			forwarder, err := forward(stop, ready)
			if err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { ended <- forwarder.ForwardPorts() }()
			select {
			case <-ready:
			case err := <-ended:
				t.Fatal(err)
			}
			ports, err := forwarder.GetPorts()
			if err != nil {
				t.Fatal(err)
			}
			plain := &rest.Config{Host: fmt.Sprintf("http://127.0.0.1:%d", ports[0].Local)}
			eventually(t, plain, "/", "served\n")
			close(stop)
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
	}
}

// When the server ends, so do the streams that are open.
func TestStreamsEnd(t *testing.T) {
	for how := range executors {
		t.Run(how, func(t *testing.T) {
			client, _, end := serveUntil(t)
			read, output := io.Pipe()
			ended := make(chan error, 1)
			go func() {
				script := url.QueryEscape("echo begun; sleep 3600")
				ended <- stream(t.Context(), t, how, client, "/exec/default/pod/lines?command=sh&command=-c&command="+script+"&output=1",
					remotecommand.StreamOptions{Stdout: output})
			}()
			begun := make([]byte, len("begun"))
			if _, err := io.ReadFull(read, begun); err != nil {
				t.Fatal(err)
			}
			go io.Copy(io.Discard, read)
			end()
			select {
			case <-ended:
			case <-time.After(patience):
				t.Error("the stream is still open")
			}
		})
	}
}
