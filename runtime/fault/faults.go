package fault

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/podling/podling/clock"
)

// Faults are the rules in force on one node. The zero value is not usable: New.
type Faults struct {
	clock clock.Clock
	any   atomic.Bool // there is a rule at all

	mu      sync.Mutex
	rules   []*armed // in the order in which they were added
	pods    map[types.UID][]*armed
	made    int           // names that were made up
	changed chan struct{} // closed when the rules change
}

// New gives faults without a rule, whose delays go by the clock.
func New(clk clock.Clock) *Faults {
	return &Faults{clock: clk, pods: map[types.UID][]*armed{}, changed: make(chan struct{})}
}

// The errors of Add and Remove that a caller may want to tell from others.
var (
	ErrExists   = errors.New("there is a fault of that name already; remove it first")
	ErrNotFound = errors.New("there is no fault of that name")
)

// Add puts a rule in force and gives it with its name.
func (f *Faults) Add(r Rule) (Rule, error) {
	a, err := arm(r)
	if err != nil {
		return Rule{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for a.Name == "" {
		f.made++
		if name := fmt.Sprintf("%s-%d", a.Call, f.made); f.find(name) < 0 {
			a.Name = name
		}
	}
	if f.find(a.Name) >= 0 {
		return Rule{}, fmt.Errorf("%s: %w", a.Name, ErrExists)
	}
	f.rules = append(f.rules, a)
	f.change()
	return a.Rule, nil
}

// Remove takes a rule that was added out of force; calls that it holds up go on.
func (f *Faults) Remove(name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := f.find(name)
	if i < 0 {
		return fmt.Errorf("%s: %w", name, ErrNotFound)
	}
	close(f.rules[i].gone)
	f.rules = slices.Delete(f.rules, i, i+1)
	f.change()
	return nil
}

// Clear takes all rules out of force, those of annotations too.
func (f *Faults) Clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, a := range f.all() {
		close(a.gone)
	}
	f.rules = nil
	clear(f.pods)
	f.change()
}

// List gives the rules in force: those that were added, in that order, then
// those of annotations.
func (f *Faults) List() []Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := []Fault{}
	for _, a := range f.all() {
		out = append(out, Fault{Rule: a.Rule, Owner: a.owner, Hits: a.hits})
	}
	return out
}

// SetPod puts the rules of a pod's annotation in force, in place of those it had.
// They are taken as OfPod gives them.
func (f *Faults) SetPod(pod *v1.Pod, rules []Rule) error {
	var list []*armed
	for _, r := range rules {
		a, err := arm(r)
		if err != nil {
			return err
		}
		a.owner = pod.Namespace + "/" + pod.Name
		list = append(list, a)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, a := range f.pods[pod.UID] {
		close(a.gone)
	}
	f.pods[pod.UID] = list
	if len(list) == 0 {
		delete(f.pods, pod.UID)
	}
	f.change()
	return nil
}

// Forget drops what is known of a pod that is over: its rules, and how often it
// was asked about, so that a pod of the same name fares as it did.
func (f *Faults) Forget(pod *v1.Pod) {
	if !f.any.Load() {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, a := range f.pods[pod.UID] {
		close(a.gone)
	}
	delete(f.pods, pod.UID)
	for _, a := range f.rules {
		for t := range a.seen {
			if t.namespace == pod.Namespace && t.pod == pod.Name {
				delete(a.seen, t)
			}
		}
	}
	f.change()
}

// Strike lets the node's own steps be struck as calls are.
func (f *Faults) Strike(ctx context.Context, call Call) error { return f.strike(ctx, call, "", "", 0) }

// strike is what becomes of a call: nil lets it go on, perhaps later. node is where
// it is made, and image that of the call, for callers who do not say for whom they
// call; limit is how long the caller waits at most, 0 if it does not say.
func (f *Faults) strike(ctx context.Context, call Call, node, image string, limit time.Duration) error {
	if !f.any.Load() {
		return nil
	}
	t := targetOf(ctx)
	if t.image == "" {
		t.image = image
	}
	if t.node == "" {
		t.node = node
	}
	a := f.struck(call, t)
	if a == nil {
		return nil
	}
	wait, late, forever := a.wait(limit)
	if wait > 0 || forever {
		var end <-chan time.Time
		if !forever {
			timer := f.clock.NewTimer(wait)
			defer timer.Stop()
			end = timer.C()
		}
		var gone, given bool
		clock.Pause(f.clock, func() {
			select {
			case <-end:
			case <-a.gone:
				gone = true
			case <-ctx.Done():
				given = true
			}
		})
		switch {
		case gone:
			return nil
		case given:
			return status.FromContextError(ctx.Err()).Err()
		}
	}
	if late {
		return status.Errorf(codes.DeadlineExceeded, "fault %s: %s did not return within %s", a.Name, call, limit)
	}
	return a.err()
}

// struck is the rule that strikes the call, nil if none does. It counts.
func (f *Faults) struck(call Call, t target) *armed {
	f.mu.Lock()
	defer f.mu.Unlock()
	try := func(list []*armed) *armed {
		for _, a := range list {
			if a.matches(call, t) && (a.Count == 0 || a.hits < a.Count) && a.chance(call, t) {
				a.hits++
				return a
			}
		}
		return nil
	}
	if t.pod != nil {
		if a := try(f.pods[t.pod.UID]); a != nil {
			return a
		}
	}
	return try(f.rules)
}

// turn is what chance is asked about: names and not UIDs, which differ from run to run.
type turn struct {
	namespace, pod, container, image string
	call                             Call
}

// chance says whether the rule strikes this time: by its seed and by whose
// how-manieth call it is, so that the order among pods does not matter.
func (a *armed) chance(call Call, t target) bool {
	if a.Probability == nil {
		return true
	}
	k := turn{container: t.container, image: t.image, call: call}
	if t.pod != nil {
		k.namespace, k.pod = t.pod.Namespace, t.pod.Name
	}
	a.seen[k]++
	h := uint64(14695981039346656037) // FNV-1a
	for _, part := range []string{k.namespace, k.pod, k.container, k.image, string(k.call), strconv.FormatUint(a.seen[k], 10)} {
		for i := range len(part) {
			h = (h ^ uint64(part[i])) * 1099511628211
		}
		h = (h ^ 0xff) * 1099511628211
	}
	return rand.New(rand.NewPCG(a.Seed, h)).Float64() < *a.Probability
}

// down is the rule that has taken the node's runtime down, nil if it is up, and
// what tells that the rules have changed.
func (f *Faults) down(node string) (a *armed, changed <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := slices.IndexFunc(f.rules, func(a *armed) bool {
		return a.Call == RuntimeDown && a.matches(RuntimeDown, target{node: node}) && (a.Hang || a.err() != nil)
	})
	if i < 0 {
		return nil, f.changed
	}
	return f.rules[i], f.changed
}

// Down gives what is closed when the rules change, and says why the node's runtime
// is down, nil if it is not.
func (f *Faults) Down(node string) (changed <-chan struct{}, why error) {
	a, changed := f.down(node)
	switch {
	case a == nil:
		return changed, nil
	case a.Hang:
		return changed, context.DeadlineExceeded
	}
	return changed, a.err()
}

func (f *Faults) find(name string) int {
	return slices.IndexFunc(f.rules, func(a *armed) bool { return a.Name == name })
}

// all are the rules in force. Called with f.mu held.
func (f *Faults) all() []*armed {
	out := slices.Clone(f.rules)
	owned := len(out)
	for _, list := range f.pods {
		out = append(out, list...)
	}
	slices.SortStableFunc(out[owned:], func(a, b *armed) int { return cmp.Compare(a.owner, b.owner) })
	return out
}

// change is called with f.mu held, after the rules have changed.
func (f *Faults) change() {
	f.any.Store(len(f.rules)+len(f.pods) > 0)
	close(f.changed)
	f.changed = make(chan struct{})
}
