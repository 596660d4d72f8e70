package server_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/podling/podling/kubelet/server"
	"github.com/podling/podling/runtime/sim/remote"
	"github.com/podling/podling/runtime/sim/script"
)

// profiles are server.Profiles without containers behind.
type profiles struct {
	mu   sync.Mutex
	list []script.Profile
}

func (p *profiles) List() []script.Profile {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.list)
}

func (p *profiles) named(name string) int {
	return slices.IndexFunc(p.list, func(one script.Profile) bool { return one.Name == name })
}

func (p *profiles) Add(one script.Profile) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.named(one.Name) >= 0 {
		return fmt.Errorf("%s: there is one already", one.Name)
	}
	p.list = append(p.list, one)
	return nil
}

func (p *profiles) Remove(name string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := p.named(name)
	if i < 0 {
		return fmt.Errorf("%s: there is none", name)
	}
	p.list = slices.Delete(p.list, i, i+1)
	return nil
}

// Profiles of simulated containers are added, shown and removed over the node's port.
func TestProfiles(t *testing.T) {
	held := &profiles{}
	node, _ := serve(t, func(c *server.Config) { c.Profiles = held })
	n := remote.Of(throughAPI(t, node), "n")
	spec := script.ProfileSpec{Namespaces: []string{"default"}, Script: &script.PodScript{}}
	spec.Script.Exit = &script.Exit{After: script.Duration(90 * time.Second), OOM: true}
	one, err := script.NewProfile("one", spec)
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Add(t.Context(), one); err != nil {
		t.Fatal(err)
	}
	if got := held.List(); len(got) != 1 || got[0].Name != "one" || *got[0].Script.Exit != *spec.Script.Exit || !got[0].Matches("default", nil) || got[0].Matches("other", nil) {
		t.Errorf("the node has %+v", got)
	}
	listed, err := n.List(t.Context())
	if err != nil || len(listed) != 1 || listed[0].Name != "one" || *listed[0].Script.Exit != *spec.Script.Exit {
		t.Errorf("%+v, %v", listed, err)
	}
	if err := n.Add(t.Context(), one); err == nil || err.Error() != "node n: one: there is one already" {
		t.Errorf("a second of that name: %v", err)
	}
	const header = "apiVersion: podling.dev/v1alpha1\nkind: SimProfile\nmetadata: {name: two}\n"
	for body, want := range map[string]string{
		header + "spec:\n  script: {exitt: {after: 5s}}": "line 5: spec.script.exitt: there is no such field",
		"": "0 profiles",
		header + "---\n" + strings.ReplaceAll(header, "two", "three"): "2 profiles",
		"kind: Pod": "want apiVersion podling.dev/v1alpha1",
	} {
		if code, answer := post(t, node, remote.Path, body); code != http.StatusBadRequest || !strings.Contains(answer, want) {
			t.Errorf("%q: %d %s, want %s", body, code, answer, want)
		}
	}
	if err := n.Remove(t.Context(), "one"); err != nil {
		t.Error(err)
	}
	if err := n.Remove(t.Context(), "one"); err == nil || err.Error() != "node n: one: there is none" {
		t.Errorf("removed twice: %v", err)
	}
	if code, answer := get(t, node, remote.Path); code != http.StatusOK || strings.TrimSpace(answer) != "[]" {
		t.Errorf("none: %d %s", code, answer)
	}
}

// Real containers have no profiles.
func TestNoProfiles(t *testing.T) {
	node, _ := serve(t)
	if _, err := remote.Of(throughAPI(t, node), "n").List(t.Context()); err == nil || !strings.Contains(err.Error(), "node n: this node's containers are real") {
		t.Errorf("%v", err)
	}
}
