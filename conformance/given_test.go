package conformance

import (
	"testing"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/podling/podling/conformance/images"
	"github.com/podling/podling/conformance/launch"
)

// given is the podling to launch, and the --registry-mirror of a registry with the scenarios' images that
// lasts as long as the test.
func given(t *testing.T) (binary, mirror string) {
	t.Helper()
	binary, err := launch.Binary("..")
	if err != nil {
		t.Fatal(err)
	}
	registry, closeRegistry, err := images.Serve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := closeRegistry(); err != nil {
			t.Error(err)
		}
	})
	return binary, registry.Mirror()
}

// launched is a podling that is up, with a client.
func launched(t *testing.T, binary string, flags ...string) (*launch.Podling, kubernetes.Interface) {
	t.Helper()
	p, err := launch.Up(t.Context(), binary, flags...)
	if err != nil {
		t.Fatal(err)
	}
	return p, clientFor(t, p.Kubeconfig)
}

func clientFor(t *testing.T, kubeconfig string) kubernetes.Interface {
	t.Helper()
	client, err := kubernetes.NewForConfig(configFor(t, kubeconfig))
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func configFor(t *testing.T, kubeconfig string) *rest.Config {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	config.QPS = -1
	return config
}
