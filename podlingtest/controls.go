package podlingtest

import (
	"errors"
	"time"

	"github.com/podling/podling/clock/remote"
	faultremote "github.com/podling/podling/runtime/fault/remote"
	"github.com/podling/podling/runtime/fault/rule"
	simremote "github.com/podling/podling/runtime/sim/remote"
	"github.com/podling/podling/runtime/sim/script"
)

// Clock is what a cluster's nodes go by. The control plane goes by the machine's clock.
type Clock struct{ c *Cluster }

func (k *Clock) node() remote.Node {
	k.c.t.Helper()
	return remote.Of(k.c.Client.CoreV1().RESTClient(), k.c.Node())
}

// Now is what it says.
func (k *Clock) Now() time.Time {
	k.c.t.Helper()
	return k.State().Now
}

// State is all that it shows of itself.
func (k *Clock) State() remote.State {
	k.c.t.Helper()
	ctx, cancel := k.c.context()
	defer cancel()
	state, err := k.node().State(ctx)
	if err != nil {
		k.c.fail("the clock", err)
	}
	return state
}

// Advance moves it on, through all that is to happen meanwhile, each at its moment,
// and returns when that is over and written. It takes VirtualTime or ManualTime.
func (k *Clock) Advance(d time.Duration) {
	k.c.t.Helper()
	ctx, cancel := k.c.context()
	defer cancel()
	if _, err := k.node().Advance(ctx, d); err != nil {
		k.c.fail("advance the clock by "+d.String(), err)
	}
}

// Pause keeps it from jumping by itself.
func (k *Clock) Pause() {
	k.c.t.Helper()
	ctx, cancel := k.c.context()
	defer cancel()
	if _, err := k.node().Pause(ctx); err != nil {
		k.c.fail("pause the clock", err)
	}
}

// Resume lets it jump by itself, whenever nothing is under way.
func (k *Clock) Resume() {
	k.c.t.Helper()
	ctx, cancel := k.c.context()
	defer cancel()
	if _, err := k.node().Resume(ctx); err != nil {
		k.c.fail("resume the clock", err)
	}
}

// Faults are calls to the container runtime that fail, are slow or hang.
type Faults struct{ c *Cluster }

func (f *Faults) node() faultremote.Node {
	f.c.t.Helper()
	return faultremote.Of(f.c.Client.CoreV1().RESTClient(), f.c.Node())
}

// Add puts a rule in force on all simulated nodes, and gives the name it is removed by.
func (f *Faults) Add(r rule.Rule) string {
	f.c.t.Helper()
	if err := r.Check(); err != nil {
		f.c.fail("a fault", err)
	}
	ctx, cancel := f.c.context()
	defer cancel()
	added, err := f.node().Add(ctx, r)
	if err != nil {
		f.c.fail("a fault", err)
	}
	return added.Name
}

// Remove takes a rule out of force; calls that it holds up go on.
func (f *Faults) Remove(name string) {
	f.c.t.Helper()
	ctx, cancel := f.c.context()
	defer cancel()
	if err := f.node().Remove(ctx, name); err != nil {
		f.c.fail("remove a fault", err)
	}
}

// List gives the rules in force, those of pods' annotations too, each with how many
// calls it has struck.
func (f *Faults) List() []rule.Fault {
	f.c.t.Helper()
	ctx, cancel := f.c.context()
	defer cancel()
	list, err := f.node().List(ctx)
	if err != nil {
		f.c.fail("the faults", err)
	}
	return list
}

// Profiles say what simulated containers do.
type Profiles struct{ c *Cluster }

func (p *Profiles) node() simremote.Node {
	p.c.t.Helper()
	return simremote.Of(p.c.Client.CoreV1().RESTClient(), p.c.Node())
}

// Add puts a profile in force, before those that are already: of several that match a
// pod, the first holds.
func (p *Profiles) Add(name string, spec script.ProfileSpec) {
	p.c.t.Helper()
	if name == "" {
		p.c.fail("a profile", errors.New("it has no name"))
	}
	one, err := script.NewProfile(name, spec)
	if err != nil {
		p.c.fail("a profile", err)
	}
	p.add(one)
}

// AddYAML does it for profiles as they are written in files.
func (p *Profiles) AddYAML(text string) {
	p.c.t.Helper()
	all, err := script.ParseProfiles("profile", []byte(text))
	if err != nil {
		p.c.fail("a profile", err)
	}
	for _, one := range all {
		p.add(one)
	}
}

func (p *Profiles) add(one script.Profile) {
	p.c.t.Helper()
	ctx, cancel := p.c.context()
	defer cancel()
	if err := p.node().Add(ctx, one); err != nil {
		p.c.fail("profile "+one.Name, err)
	}
}

// Remove takes a profile out of force.
func (p *Profiles) Remove(name string) {
	p.c.t.Helper()
	ctx, cancel := p.c.context()
	defer cancel()
	if err := p.node().Remove(ctx, name); err != nil {
		p.c.fail("remove a profile", err)
	}
}

// List gives the profiles in force, in their order.
func (p *Profiles) List() []script.Profile {
	p.c.t.Helper()
	ctx, cancel := p.c.context()
	defer cancel()
	list, err := p.node().List(ctx)
	if err != nil {
		p.c.fail("the profiles", err)
	}
	return list
}
