package runner_test

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/podling/podling/podlingtest"
)

// shared is a control plane without a node, for the tests that play the kubelet. It is
// also what a cluster looks like that all tests of a package share.
var shared *podlingtest.Environment

func TestMain(m *testing.M) {
	var err error
	if shared, err = podlingtest.Up(context.Background(), podlingtest.Runtime(podlingtest.None)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	if err := shared.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}
