package conformance

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/podling/podling/conformance/images"
	"github.com/podling/podling/conformance/launch"
)

// Podling brings an ephemeral podling up, with a registry that has the scenarios'
// images in Docker Hub's place, and returns a Runner that plays on it. The function
// that it returns takes both down again.
func Podling(ctx context.Context, binary string) (Runner, func() error, error) {
	registry, closeRegistry, err := images.Serve(ctx)
	if err != nil {
		return Runner{}, nil, err
	}
	runner, stop, err := up(ctx, binary, "--registry-mirror", registry.Mirror())
	if err != nil {
		return Runner{}, nil, errors.Join(err, closeRegistry())
	}
	runner.Push = registry.Push
	return runner, func() error { return errors.Join(stop(), closeRegistry()) }, nil
}

// up brings an ephemeral podling up, with these flags more.
func up(ctx context.Context, binary string, flags ...string) (Runner, func() error, error) {
	dir, err := os.MkdirTemp("", "podling-conformance-")
	if err != nil {
		return Runner{}, nil, err
	}
	flags = append([]string{"--ephemeral", "--kubeconfig", filepath.Join(dir, "kubeconfig")}, flags...)
	podling, err := launch.Up(ctx, binary, flags...)
	if err != nil {
		return Runner{}, nil, errors.Join(err, os.RemoveAll(dir))
	}
	stop := func() error { return errors.Join(podling.Stop(), os.RemoveAll(dir)) }
	return Runner{Kubeconfig: podling.Kubeconfig, Node: podling.Node, Kubectl: binary + " kubectl"}, stop, nil
}
