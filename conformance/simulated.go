package conformance

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"sync/atomic"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/podling/podling/runtime/sim/remote"
	simscript "github.com/podling/podling/runtime/sim/script"
)

//go:embed sim-profile.yaml
var profile []byte

// Simulated brings an ephemeral podling up whose node is simulated, with registries
// that have the scenarios' images, and returns a Runner that plays on it. The
// function that it returns takes it down again.
func Simulated(ctx context.Context, binary string) (Runner, func() error, error) {
	path, err := profileFile()
	if err != nil {
		return Runner{}, nil, err
	}
	defer os.Remove(path) // read by now
	runner, stop, err := up(ctx, binary, "--runtime", "sim", "--sim-profile", path,
		"--event-qps", "0") // no scenario loses its Events to those beside it
	if err != nil {
		return Runner{}, nil, err
	}
	if runner.Push, err = pretend(runner.Kubeconfig, runner.Node); err != nil {
		return Runner{}, nil, errors.Join(err, stop())
	}
	return runner, stop, nil
}

// profileFile writes the profile where podling can read it.
func profileFile() (string, error) {
	f, err := os.CreateTemp("", "sim-profile-*.yaml")
	if err != nil {
		return "", err
	}
	_, err = f.Write(profile)
	if err := errors.Join(err, f.Close()); err != nil {
		return "", errors.Join(err, os.Remove(f.Name()))
	}
	return f.Name(), nil
}

// pretend gives what makes the node's pretended registries have one image more.
func pretend(kubeconfig, node string) (func(context.Context, string) error, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("kubeconfig %s: %w", kubeconfig, err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("kubeconfig %s: %w", kubeconfig, err)
	}
	profiles := remote.Of(client.CoreV1().RESTClient(), node)
	var pushed atomic.Int64
	return func(ctx context.Context, image string) error {
		name := fmt.Sprintf("pushed-%d", pushed.Add(1))
		p, err := simscript.NewProfile(name, simscript.ProfileSpec{Images: []simscript.Image{{Image: image}}})
		if err != nil {
			return err
		}
		return profiles.Add(ctx, p)
	}, nil
}
