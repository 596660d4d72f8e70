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
func Podling(ctx context.Context, binary string) (_ Runner, _ func() error, err error) {
	var undo []func() error
	stop := func() error {
		var errs []error
		for i := len(undo) - 1; i >= 0; i-- {
			errs = append(errs, undo[i]())
		}
		return errors.Join(errs...)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, stop())
		}
	}()
	dir, err := os.MkdirTemp("", "podling-conformance-")
	if err != nil {
		return Runner{}, nil, err
	}
	undo = append(undo, func() error { return os.RemoveAll(dir) })
	registry, close, err := images.Serve(ctx)
	if err != nil {
		return Runner{}, nil, err
	}
	undo = append(undo, close)
	podling, err := launch.Up(ctx, binary, "--ephemeral", "--registry-mirror", registry.Mirror(), "--kubeconfig", filepath.Join(dir, "kubeconfig"))
	if err != nil {
		return Runner{}, nil, err
	}
	undo = append(undo, podling.Stop)
	return Runner{Kubeconfig: podling.Kubeconfig, Node: podling.Node, Kubectl: binary + " kubectl", Push: registry.Push}, stop, nil
}
