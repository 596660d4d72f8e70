package report

import (
	"context"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/podling/podling/lifecycle"
)

// Turns bound how many pods are written at one time by all reporters that share
// them; nil is no bound. While there is a crowd, a pod is written as it is when its turn
// comes: states that nobody had the time to write are passed over, as upstream's
// status manager passes over them (pkg/kubelet/status/status_manager.go).
type Turns struct {
	slots   chan struct{}
	many    int64
	waiting atomic.Int64
	moves   *rate.Limiter // takes pods that begin or end, and owes for those that are too many
}

// NewTurns gives turns for n pods at a time. It is a crowd if more than many wait, or if lately more
// pods began or ended than perSecond, and burst at once.
func NewTurns(n int, many int64, perSecond rate.Limit, burst int) *Turns {
	return &Turns{slots: make(chan struct{}, n), many: many, moves: rate.NewLimiter(perSecond, burst)}
}

// Taking has the reporter's pods take turns.
func (r *Reporter) Taking(turns *Turns) *Reporter {
	r.turns = turns
	return r
}

// moved takes note of a pod that begins or ends. No more is owed than what one burst takes to come.
func (t *Turns) moved() {
	if t != nil && t.moves.Tokens() > -float64(t.moves.Burst()) {
		t.moves.Reserve()
	}
}

// Crowded says whether there is a crowd.
func (t *Turns) Crowded() bool {
	return t != nil && (t.waiting.Load() > t.many || t.moves.Tokens() < 0)
}

// take waits for a turn and says whether the pod was in a crowd; give ends the turn.
func (t *Turns) take(ctx context.Context) (crowded bool) {
	if t == nil {
		return false
	}
	t.waiting.Add(1)
	defer t.waiting.Add(-1)
	crowded = t.Crowded()
	select {
	case t.slots <- struct{}{}:
	case <-ctx.Done():
	}
	return crowded
}

func (t *Turns) give() {
	if t == nil {
		return
	}
	select {
	case <-t.slots:
	default: // ctx ended before there was one
	}
}

// gathering is how long the first status of a pod in a crowd waits at most for what is said of it next, and
// so does one of a pod that is ending.
const gathering = 250 * time.Millisecond

// gather lets a pod that is new or deleted, and in a crowd, get as far as it does at once.
func (r *Reporter) gather(q *queue) {
	if !r.turns.Crowded() {
		return
	}
	r.mu.Lock()
	if len(q.todo) != 1 || q.todo[0].status == nil || q.written != &q.pod.Status && !ending(q.todo[0]) {
		r.mu.Unlock()
		return
	}
	more := make(chan struct{})
	q.more = more
	r.mu.Unlock()
	select {
	case <-more:
	case <-time.After(gathering): // in real time: a clock that is advanced waits until all is written
	case <-r.ctx.Done():
	}
}

// ending: more is to be said of a pod that is deleted.
func ending(w write) bool {
	return w.pod.DeletionTimestamp != nil && !lifecycle.Terminal(w.status.Phase)
}
