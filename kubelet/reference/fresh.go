package reference

import (
	"sync"
	"time"
)

const (
	// freshness is how old an answer may be that is given again.
	freshness = time.Second
	// maxFresh bounds how many answers are held.
	maxFresh = 4096
)

// fresh are the answers of the last moment.
type fresh struct {
	mu      sync.Mutex
	answers map[string]freshAnswer
}

type freshAnswer struct {
	object any
	at     time.Time
}

func newFresh() *fresh { return &fresh{answers: map[string]freshAnswer{}} }

// remembered gives the answer that there is, if it is fresh, or asks.
func remembered[T any](f *fresh, key string, ask func() (T, error)) (T, error) {
	f.mu.Lock()
	a, known := f.answers[key]
	f.mu.Unlock()
	if known && time.Since(a.at) < freshness {
		return a.object.(T), nil
	}
	asked := time.Now()
	object, err := ask()
	if err != nil {
		return object, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.answers) >= maxFresh {
		clear(f.answers)
	}
	f.answers[key] = freshAnswer{object, asked}
	return object, nil
}
