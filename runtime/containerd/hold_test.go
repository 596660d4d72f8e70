package containerd

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/podling/podling/runtime/cri"
)

const (
	callerFolder    = "PODLING_TEST_CALLER_FOLDER"
	callerContainer = "PODLING_TEST_CALLER_CONTAINER"
)

// TestMain is the caller of TestStartOutlivesItsCaller where that starts it.
func TestMain(m *testing.M) {
	if folder := os.Getenv(callerFolder); folder != "" {
		fmt.Fprintln(os.Stderr, startAndSay(folder, os.Getenv(callerContainer)))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// startAndSay starts a container as a podling on the folder does.
func startAndSay(folder, container string) error {
	d := &Daemon{files: layout(folder)}
	client, err := cri.Connect(context.Background(), d.Endpoint())
	if err != nil {
		return err
	}
	service := d.Remembering(client)
	joined := make(chan struct{})
	go func() {
		_ = service.GetContainerEvents(context.Background(), make(chan *runtimeapi.ContainerEventResponse, 100),
			func(runtimeapi.RuntimeService_GetContainerEventsClient) { close(joined) }) // until the process ends
	}()
	<-joined
	return fmt.Errorf("the start came back: %w", service.StartContainer(context.Background(), container))
}

// TestStartOutlivesItsCaller: a container whose start was under way when podling was killed runs.
func TestStartOutlivesItsCaller(t *testing.T) {
	slow := t.TempDir()
	mark := filepath.Join(slow, "starts")
	runc, err := exec.LookPath("runc")
	if err != nil {
		t.Fatal(err)
	}
	script := fmt.Sprintf("#!/bin/sh\ncase \" $* \" in *' start '*) test -e %[1]s.armed && { touch %[1]s; sleep 1; };; esac\nexec %[2]s \"$@\"\n", mark, runc)
	if err := os.WriteFile(filepath.Join(slow, "runc"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", slow+":"+os.Getenv("PATH"))
	m := newMachine(t)
	_, container := m.create("p", nil, nil, "sleep", "3600")
	if err := os.WriteFile(mark+".armed", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	caller := exec.Command(os.Args[0])
	caller.Env = append(os.Environ(), callerFolder+"="+string(m.daemon.files), callerContainer+"="+container)
	caller.Stderr = os.Stderr
	if err := caller.Start(); err != nil {
		t.Fatal(err)
	}
	m.within(time.Minute, "the container starts", func() error { _, err := os.Stat(mark); return err })
	if err := caller.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = caller.Wait() // it was killed
	m.within(time.Minute, "the start is over", func() error {
		r, err := m.cri.ContainerStatus(t.Context(), container, false)
		if err == nil && r.GetStatus().GetState() == runtimeapi.ContainerState_CONTAINER_CREATED {
			return fmt.Errorf("the container is not started")
		}
		return err
	})
	m.wantRunning(container)
}
