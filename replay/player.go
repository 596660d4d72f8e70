package replay

import (
	"cmp"
	"slices"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/podling/podling/trace"
)

// Player is at one event of a recording. Going anywhere takes no more than going on: a state is what
// its event carried.
type Player struct {
	events []trace.Event
	at     int
}

// New is a player at the first event. There has to be one.
func New(events []trace.Event) *Player { return &Player{events: events} }

// Len is how many events there are.
func (p *Player) Len() int { return len(p.events) }

// At is the number of the event that the player is at, from 1.
func (p *Player) At() int { return p.at + 1 }

// Go goes to an event by its number, or to the nearest one that there is.
func (p *Player) Go(n int) { p.at = min(max(n-1, 0), len(p.events)-1) }

// Step goes on by so many events, or back.
func (p *Player) Step(by int) { p.Go(p.At() + by) }

// Same goes to the next event about the pod of this one, or to the one before: by is 1 or -1. It stays
// where there is none.
func (p *Player) Same(by int) {
	namespace, name := p.events[p.at].About()
	for i := p.at + by; i >= 0 && i < len(p.events); i += by {
		if ns, n := p.events[i].About(); ns == namespace && n == name {
			p.at = i
			return
		}
	}
}

// Upto are the events so far.
func (p *Player) Upto() []trace.Event { return p.events[:p.at+1] }

// OfPod are the events so far about the pod of this one; none if it is about no pod.
func (p *Player) OfPod() []trace.Event {
	namespace, name := p.events[p.at].About()
	if name == "" {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(p.Upto()), func(e trace.Event) bool {
		ns, n := e.About()
		return ns != namespace || n != name
	})
}

// Frame is what there is to see at one event.
type Frame struct {
	At, Of int
	Event  trace.Event
	Acts   []Act
	Pods   []Pod
}

// Act is a change, and the Kubernetes Event that tells what the node did to bring it about.
type Act struct {
	Change trace.Change
	Said   *v1.Event
}

// Pod is where a pod stood.
type Pod struct {
	Pod      *v1.Pod
	Gone     bool
	LastSeen time.Time
}

// Frame is what there is to see where the player is.
func (p *Player) Frame() Frame {
	f := Frame{At: p.At(), Of: p.Len(), Event: p.events[p.at]}
	pods := map[string]*Pod{}
	for _, e := range p.Upto() {
		if e.Pod != nil {
			pods[e.Pod.Namespace+"/"+e.Pod.Name] = &Pod{Pod: e.Pod, Gone: e.Type == watch.Deleted, LastSeen: e.Time}
		}
	}
	for _, pod := range pods {
		f.Pods = append(f.Pods, *pod)
	}
	slices.SortFunc(f.Pods, func(a, b Pod) int {
		return cmp.Or(cmp.Compare(a.Pod.Namespace, b.Pod.Namespace), cmp.Compare(a.Pod.Name, b.Pod.Name))
	})
	if f.Event.Pod == nil || f.Event.Existing {
		return f
	}
	var said []*v1.Event
	for _, e := range p.events { // what was said may have come later than what it was said about
		if e.Said != nil && e.Said.InvolvedObject.Name == f.Event.Pod.Name && e.Said.InvolvedObject.Namespace == f.Event.Pod.Namespace {
			said = append(said, e.Said)
		}
	}
	for _, c := range f.Event.Changes {
		if e := trace.Act(c, f.Event.Time, said); e != nil && !slices.ContainsFunc(f.Acts, func(a Act) bool { return a.Said == e }) {
			f.Acts = append(f.Acts, Act{c, e})
		}
	}
	return f
}
