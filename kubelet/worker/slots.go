package worker

import "runtime"

// Slots bound how many sandboxes and containers a node makes or ends at one
// time. Each is half a dozen processes and a dozen mounts: more of them side by
// side than the machine has cores to run makes all of them slower.
type Slots chan struct{}

// NewSlots gives a machine's worth of slots.
func NewSlots() Slots { return make(Slots, 2*runtime.NumCPU()) }

// take waits for a slot and gives the function that returns it.
func (s Slots) take() func() {
	s <- struct{}{}
	return func() { <-s }
}
