package sim

import (
	"bytes"
	"errors"
	"net/url"
	"strings"
	"testing"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/remotecommand"
	utilexec "k8s.io/client-go/util/exec"
	api "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/podling/podling/clock"
)

// A client runs a command over the runtime's streams, as kubectl exec does.
func TestExecStream(t *testing.T) {
	r := New(Config{Clock: clock.Real{}, Images: []string{"busybox"}})
	defer func() {
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	sandbox, err := r.RunPodSandbox(t.Context(), benchPod(0), "")
	if err != nil {
		t.Fatal(err)
	}
	id, err := r.CreateContainer(t.Context(), sandbox, containerConfig(0, "busybox", "sleep", "3600"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Exec(t.Context(), &api.ExecRequest{ContainerId: id, Cmd: []string{"true"}, Stdout: true}); err == nil {
		t.Error("in a container that does not run: no error")
	}
	if err := r.StartContainer(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	response, err := r.Exec(t.Context(), &api.ExecRequest{ContainerId: id, Cmd: []string{"sh", "-c", "cat; echo bad >&2; exit 4"}, Stdin: true, Stdout: true, Stderr: true})
	if err != nil {
		t.Fatal(err)
	}
	at, err := url.Parse(response.Url)
	if err != nil {
		t.Fatal(err)
	}
	executor, err := remotecommand.NewSPDYExecutor(&rest.Config{Host: at.Host}, "POST", at)
	if err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	err = executor.StreamWithContext(t.Context(), remotecommand.StreamOptions{Stdin: strings.NewReader("typed\n"), Stdout: &stdout, Stderr: &stderr})
	exit := utilexec.CodeExitError{}
	if !errors.As(err, &exit) || exit.Code != 4 || stdout.String() != "typed\n" || stderr.String() != "bad\n" {
		t.Errorf("%v, %q, %q", err, &stdout, &stderr)
	}
}
