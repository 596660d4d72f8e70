package floor

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	internalapi "k8s.io/cri-api/pkg/apis"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// A pretender is a runtime that keeps books of sandboxes and runs nothing.
type pretender struct {
	internalapi.RuntimeService // what is not below must not be called
	broken                     error

	mu        sync.Mutex
	calls     map[string]int
	sandboxes map[string]bool // true once stopped
}

func newPretender() *pretender {
	return &pretender{calls: map[string]int{}, sandboxes: map[string]bool{}}
}

func (p *pretender) RunPodSandbox(_ context.Context, c *cri.PodSandboxConfig, _ string) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls["run"]++
	id := c.Metadata.Uid
	if _, taken := p.sandboxes[id]; taken {
		return "", fmt.Errorf("two sandboxes %s", id)
	}
	p.sandboxes[id] = false
	return id, nil
}

func (p *pretender) CreateContainer(_ context.Context, sandbox string, _ *cri.ContainerConfig, _ *cri.PodSandboxConfig) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls["create"]++
	return "container of " + sandbox, nil
}

func (p *pretender) StartContainer(context.Context, string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls["start"]++
	return p.broken
}

func (p *pretender) StopPodSandbox(_ context.Context, id string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls["stop"]++
	p.sandboxes[id] = true
	return nil
}

func (p *pretender) RemovePodSandbox(_ context.Context, id string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls["remove"]++
	if !p.sandboxes[id] {
		return fmt.Errorf("%s is not stopped", id)
	}
	delete(p.sandboxes, id)
	return nil
}

// TestMeasure makes pods and leaves none.
func TestMeasure(t *testing.T) {
	runtime := newPretender()
	r, err := Measure(t.Context(), runtime, Options{Pods: 5, Parallel: 2, Image: "busybox"})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Started) != 5 || len(r.Ended) != 5 || r.AllStarted < r.Started[4] {
		t.Errorf("measured %+v; want five pods", r)
	}
	for _, call := range []string{"run", "create", "start", "stop", "remove"} {
		if runtime.calls[call] != 5 {
			t.Errorf("%d calls of %s; want 5", runtime.calls[call], call)
		}
	}
	if len(runtime.sandboxes) != 0 {
		t.Errorf("left: %v", runtime.sandboxes)
	}
}

// TestMeasureFails: what was made before something failed is removed.
func TestMeasureFails(t *testing.T) {
	runtime := newPretender()
	runtime.broken = errors.New("no room")
	if _, err := Measure(t.Context(), runtime, Options{Pods: 3, Parallel: 3, Image: "busybox"}); !errors.Is(err, runtime.broken) {
		t.Errorf("error %v; want %v", err, runtime.broken)
	}
	if len(runtime.sandboxes) != 0 {
		t.Errorf("left: %v", runtime.sandboxes)
	}
}
