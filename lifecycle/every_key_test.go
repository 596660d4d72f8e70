package lifecycle

import (
	"crypto/sha256"
	"encoding/binary"
	"time"

	v1 "k8s.io/api/core/v1"
)

// key identifies a state: two lives with one key go on in the same ways.
type key [16]byte

// keyer writes down what of a life matters for its future. Of a time that is how
// long something still lasts, or by what order of magnitude it is past; of an ID
// it is whose it is; messages do not matter at all.
type keyer struct {
	*life
	buf []byte
}

// keyOf gives the state that the life is in.
func (k *keyer) keyOf(l *life, over bool) key {
	if over {
		return key{} // all ends are one
	}
	k.life, k.buf = l, k.buf[:0]
	k.pod()
	k.node()
	for i := range l.seen.Sandboxes {
		if s := &l.seen.Sandboxes[i]; i == 0 || s.Ready {
			k.bit(s.Ready)
			k.num(min(int(s.Attempt), 1))
		}
	}
	k.num(-1)
	k.spread(func(_ int, c *v1.Container) { k.container(c) })
	for i := range l.seen.Pass {
		a := &l.seen.Pass[i]
		k.str(string(a.Verb))
		k.str(a.Container)
		k.num(int(a.Restarts))
		k.num(int(a.Grace))
		k.num(k.place(a.ID))
	}
	k.num(-1)
	k.status()
	sum := sha256.Sum256(k.buf)
	return key(sum[:])
}

func (k *keyer) pod() {
	k.bit(k.life.pod.DeletionTimestamp != nil)
	if g := k.life.pod.DeletionGracePeriodSeconds; g != nil {
		k.num(int(*g))
	}
	if k.left != nil {
		k.num(int(k.left.faults))
		k.num(int(k.left.ends))
	}
}

func (k *keyer) node() {
	o := &k.seen
	for _, b := range []bool{o.Network != "", o.Runtime != "", o.Gone, o.Killed, o.Cleaned, o.Evict != nil, o.Volumes.Mounted, o.Reported != nil} {
		k.bit(b)
	}
	for _, f := range []*Failure{o.Volumes.Failure, o.Sandbox, o.CleanUp} {
		k.failure(f)
	}
}

// spread hands over the pod's containers, in their order.
func (k *keyer) spread(hand func(i int, c *v1.Container)) {
	i := 0
	for _, list := range restartable(k.life.pod) {
		for j := range list {
			hand(i, &list[j])
			i++
		}
	}
}

func (k *keyer) container(c *v1.Container) {
	o := &k.seen
	old := k.reported()
	ends := 0
	for i := range o.Containers {
		r := &o.Containers[i]
		if r.Name != c.Name {
			continue
		}
		k.str(string(r.State))
		k.bit(len(o.Sandboxes) > 0 && r.SandboxID == o.Sandboxes[0].ID)
		k.bit(k.place(r.ID) == 0 && o.Started == r.ID && !known(old, r))
		switch r.State {
		case Running:
			k.num(past(k.now.Sub(r.StartedAt)))
			k.bit(r.StartedAt.Before(o.Since))
			k.probes(o.Probes[r.ID])
		case Exited:
			k.num(int(r.ExitCode))
			if !endKnown(old, r) { // it may be about to be settled what else ended
				k.num(past(k.now.Sub(r.FinishedAt)))
				k.num(past(k.now.Sub(r.StartedAt)))
				k.bit(o.Stopped[r.ID])
				k.probes(o.Probes[r.ID])
			}
			if ends++; ends == 1 && !k.ends() {
				k.backoff(o.Backoffs[c.Name], restartKey(c), r.FinishedAt)
			}
		}
		if k.place(r.ID) == 0 {
			k.num(int(r.RestartCount))
			k.bit(o.Stopped[r.ID])
		}
	}
	k.num(-1)
	if k.once(c) {
		k.num(int(k.ran[k.life.spread(c.Name)]))
	}
	if k.ends() {
		return
	}
	k.backoff(o.Backoffs[c.Name], restartKey(c), k.now)
	k.failure(o.Failures[c.Name])
	if p, ok := o.Pulls[c.Image]; ok {
		k.backoff(p.Backoff, c.Image, p.Backoff.Updated)
		k.str(p.Reason)
	}
}

// ends: nothing of the pod is to run again, so that what holds it back is of no interest.
func (k *keyer) ends() bool { return k.life.pod.DeletionTimestamp != nil || k.seen.Gone }

// reported is the status that was reported last, by this node process or the one before it.
func (k *keyer) reported() *v1.PodStatus {
	if k.seen.Reported != nil {
		return k.seen.Reported
	}
	return &k.life.pod.Status
}

func (k *keyer) probes(p Probes) {
	for _, b := range []*bool{p.Started, p.Ready, p.Live} {
		k.maybe(b)
	}
}

// backoff is how long it still lasts, and whether it has been forgotten.
func (k *keyer) backoff(b Backoff, of string, since time.Time) {
	end, in := b.Until(of, since, k.now)
	k.bit(in)
	if in {
		k.num(int(end.Sub(k.now) / time.Millisecond))
	}
	k.num(int(b.Delay / time.Second))
	if b.Delay > 0 {
		k.bit(b.expired(since))
	}
}

func (k *keyer) failure(f *Failure) {
	k.bit(f != nil)
	if f == nil {
		return
	}
	k.str(f.Reason)
	k.bit(f.Reported)
	k.num(min(f.Attempts, 3))
	k.num(k.place(f.Exited))
	k.bit(f.Pull != "")
	k.num(int(max(f.retryAt().Sub(k.now), 0) / time.Millisecond))
}

// place is where a container stands among those of its name: -1 if it is gone.
func (k *keyer) place(id string) int {
	list := k.seen.Containers
	for i := range list {
		if list[i].ID != id {
			continue
		}
		before := 0
		for j := range list[:i] {
			if list[j].Name == list[i].Name {
				before++
			}
		}
		return before
	}
	return -1
}

// status is the last that was reported.
func (k *keyer) status() {
	s := k.reported()
	k.str(string(s.Phase))
	k.str(s.Reason)
	k.num(int(k.life.pod.Generation - s.ObservedGeneration))
	k.bit(Terminal(k.life.pod.Status.Phase))
	for i := range s.Conditions {
		c := &s.Conditions[i]
		k.str(string(c.Type))
		k.str(string(c.Status))
		k.str(c.Reason)
	}
	for _, list := range [][]v1.ContainerStatus{s.InitContainerStatuses, s.ContainerStatuses} {
		for i := range list {
			c := &list[i]
			k.state(&c.State)
			k.state(&c.LastTerminationState)
			k.num(int(c.RestartCount))
			k.num(k.place(c.ContainerID))
			k.bit(c.Ready)
			k.maybe(c.Started)
		}
	}
}

func (k *keyer) state(s *v1.ContainerState) {
	switch {
	case s.Running != nil:
		k.num(1)
	case s.Waiting != nil:
		k.str(s.Waiting.Reason)
	case s.Terminated != nil:
		k.str(s.Terminated.Reason)
		k.num(int(s.Terminated.ExitCode))
		k.num(k.place(s.Terminated.ContainerID))
	default:
		k.num(2)
	}
}

// past is by what order of magnitude something is past: the limits of what the core
// takes for one moment (settling.go), and of a short life, lie between them.
func past(d time.Duration) int {
	switch {
	case d == 0:
		return 0
	case d <= startedTogether:
		return 1
	case d < shortLife:
		return 2
	}
	return 3
}

func (k *keyer) num(n int)    { k.buf = binary.AppendVarint(k.buf, int64(n)) }
func (k *keyer) str(s string) { k.num(len(s)); k.buf = append(k.buf, s...) }

func (k *keyer) bit(b bool) {
	if b {
		k.num(1)
	} else {
		k.num(0)
	}
}

func (k *keyer) maybe(b *bool) {
	k.bit(b != nil)
	k.bit(b != nil && *b)
}
