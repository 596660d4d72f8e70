// Package cri connects to a container runtime's socket and speaks the
// Container Runtime Interface over it.
//
// It is the node's only way to containers that really run: the kubelet's
// workers call the two services below, whoever is behind the socket
// (podling's own containerd, another containerd, CRI-O).
package cri

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"

	internalapi "k8s.io/cri-api/pkg/apis"
	criclient "k8s.io/cri-client/pkg"
)

const (
	// requestTimeout bounds one call, as the kubelet's default
	// runtimeRequestTimeout does (a sandbox start may take twice that, an image
	// pull as long as its own context allows).
	requestTimeout = 2 * time.Minute
	// patience is how long Connect waits for a runtime that is still starting
	// when the caller's context sets no earlier end.
	patience = 10 * time.Second
	// socketPause is the time between two looks at a socket that nobody serves.
	socketPause = 10 * time.Millisecond
	// servicePause is the time between two calls to a program that serves the
	// socket and is not ready, or is just ending.
	servicePause = 100 * time.Millisecond
)

// Runtime is a connection to one container runtime.
type Runtime struct {
	internalapi.RuntimeService
	internalapi.ImageManagerService
}

// Connect returns once the runtime at endpoint (unix:///path) answers both of
// its services. It waits for at most ten seconds, or until ctx ends if that is
// sooner; the error then names the endpoint and what stood in the way last.
func Connect(ctx context.Context, endpoint string) (*Runtime, error) {
	path, err := socketPath(endpoint)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		err, pause := served(ctx, path), socketPause
		if err == nil {
			var r *Runtime
			if r, err = services(ctx, endpoint); err == nil {
				return r, nil
			}
			pause = servicePause
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, fmt.Errorf("no container runtime answers at %s: %w; check that it runs and that --cri names its socket", endpoint, err)
		}
	}
}

// served says whether some program accepts connections on the socket.
func served(ctx context.Context, path string) error {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", path)
	if err != nil {
		return err
	}
	return conn.Close()
}

// services connects to both services; it fails if either does not answer.
func services(ctx context.Context, endpoint string) (*Runtime, error) {
	runtime, err := criclient.NewRemoteRuntimeService(ctx, endpoint, requestTimeout, nil, false)
	if err != nil {
		return nil, err
	}
	images, err := criclient.NewRemoteImageService(ctx, endpoint, requestTimeout, nil, false)
	if err != nil {
		return nil, errors.Join(err, runtime.Close(ctx))
	}
	return &Runtime{RuntimeService: runtime, ImageManagerService: images}, nil
}

// Close ends the connection. Containers are not touched.
func (r *Runtime) Close(ctx context.Context) error {
	return errors.Join(r.RuntimeService.Close(ctx), r.ImageManagerService.Close(ctx))
}

// socketPath takes the socket's path out of an endpoint.
func socketPath(endpoint string) (string, error) {
	u, err := url.Parse(endpoint)
	if err != nil || u.Scheme != "unix" || u.Host != "" || u.Path == "" {
		return "", fmt.Errorf("container runtime endpoint %q: want unix:///path/to/socket", endpoint)
	}
	return u.Path, nil
}
