// Package hook runs a container's postStart and preStop hooks (upstream:
// pkg/kubelet/lifecycle/handlers.go). When they run, and what follows from a
// failure, lifecycle decides.
package hook

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	internalapi "k8s.io/cri-api/pkg/apis"
)

// maxAnswer is how much of a web hook's answer is kept for its error message.
const maxAnswer = 10 * 1024

// Run runs one hook of the container with the runtime's id, until it ends or
// ctx does. podIP is where web hooks go that name no host.
func Run(ctx context.Context, runtime internalapi.RuntimeService, pod *v1.Pod, c *v1.Container, id, podIP string, h *v1.LifecycleHandler) error {
	switch {
	case h.Exec != nil:
		return exec(ctx, runtime, id, h.Exec.Command)
	case h.HTTPGet != nil:
		return get(ctx, c, podIP, h.HTTPGet)
	case h.Sleep != nil:
		t := time.NewTimer(time.Duration(h.Sleep.Seconds) * time.Second)
		defer t.Stop()
		select {
		case <-t.C:
			return nil
		case <-ctx.Done():
			return fmt.Errorf("container terminated before sleep hook finished")
		}
	}
	return fmt.Errorf("invalid handler of container %s in pod %s/%s: neither exec, httpGet nor sleep", c.Name, pod.Namespace, pod.Name)
}

func exec(ctx context.Context, runtime internalapi.RuntimeService, id string, command []string) error {
	stdout, stderr, err := runtime.ExecSync(ctx, id, command, 0)
	if err != nil {
		//lint:ignore ST1005 upstream's words
		return fmt.Errorf("Exec lifecycle hook (%v) failed - error: %w, message: %q", command, err, string(stdout)+string(stderr))
	}
	return nil
}

func get(ctx context.Context, c *v1.Container, podIP string, h *v1.HTTPGetAction) error {
	port, err := portOf(c, h.Port)
	if err != nil {
		return err
	}
	host, scheme := h.Host, "http"
	if host == "" {
		host = podIP
	}
	if h.Scheme == v1.URISchemeHTTPS {
		scheme = "https"
	}
	path := h.Path
	if path == "" || path[0] != '/' {
		path = "/" + path
	}
	url := fmt.Sprintf("%s://%s%s", scheme, net.JoinHostPort(host, strconv.Itoa(port)), path)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("httpGet hook of container %s: %w", c.Name, err)
	}
	req.Header.Set("User-Agent", "kube-lifecycle/1.36")
	req.Header.Set("Accept", "*/*")
	for _, header := range h.HTTPHeaders {
		if http.CanonicalHeaderKey(header.Name) == "Host" {
			req.Host = header.Value
			continue
		}
		req.Header.Add(header.Name, header.Value)
	}
	// The pod's own certificate proves nothing to the node; upstream does not check it either.
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("HTTP lifecycle hook (%s) failed - error: %w", path, err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer)); err != nil {
		return fmt.Errorf("HTTP lifecycle hook (%s): reading the answer: %w", path, err)
	}
	return nil
}

// portOf resolves a port that is named after one of the container's.
func portOf(c *v1.Container, port intstr.IntOrString) (int, error) {
	if port.Type == intstr.Int {
		return port.IntValue(), nil
	}
	for _, p := range c.Ports {
		if p.Name == port.StrVal {
			return int(p.ContainerPort), nil
		}
	}
	if n, err := strconv.Atoi(port.StrVal); err == nil {
		return n, nil
	}
	return 0, fmt.Errorf("couldn't find port: %v in %v", port.StrVal, c.Name)
}
