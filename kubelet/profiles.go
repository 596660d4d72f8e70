package kubelet

import (
	"fmt"
	"slices"
	"sync"

	"github.com/podling/podling/runtime/sim/script"
)

// profiles are those of the simulated pods that are in force. The first that fits a pod counts: those
// that were added last come first.
type profiles struct {
	changed func([]script.Profile)

	mu   sync.Mutex
	list []script.Profile
}

func newProfiles(list []script.Profile, changed func([]script.Profile)) *profiles {
	return &profiles{changed: changed, list: list}
}

// List gives those in force, in their order.
func (p *profiles) List() []script.Profile {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.list)
}

// Add puts one in force, for pods that are made from now on.
func (p *profiles) Add(profile script.Profile) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.find(profile.Name) >= 0 {
		return fmt.Errorf("%s: there is a profile of that name already; remove it first", profile.Name)
	}
	p.list = slices.Insert(slices.Clone(p.list), 0, profile)
	p.changed(p.list)
	return nil
}

// Remove takes the one of that name out of force.
func (p *profiles) Remove(name string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := p.find(name)
	if i < 0 {
		return fmt.Errorf("%s: there is no profile of that name", name)
	}
	p.list = slices.Delete(slices.Clone(p.list), i, i+1)
	p.changed(p.list)
	return nil
}

func (p *profiles) find(name string) int {
	return slices.IndexFunc(p.list, func(other script.Profile) bool { return other.Name == name })
}
