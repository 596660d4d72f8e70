package trace

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
)

// The pause before a lost connection is tried again: the first, and the longest.
const (
	firstPause   = 200 * time.Millisecond
	longestPause = 5 * time.Second
)

// stream is one watch that goes on for as long as it takes, from a first list on.
type stream struct {
	what string // in words, for messages

	// list takes in how things stand and returns the version that a watch goes on from.
	list func(ctx context.Context, first bool) (version string, err error)
	open func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error)
	see  func(kind watch.EventType, object runtime.Object) error
	// expired is told why the server cannot go on with the watch; a fresh list follows.
	expired func(error)
	note    func(string)

	version string
}

// begin makes the first list.
func (s *stream) begin(ctx context.Context) (err error) {
	if s.version, err = s.list(ctx, true); err != nil {
		return fmt.Errorf("%s cannot be listed: %w", s.what, err)
	}
	return nil
}

// run goes on from the first list until ctx ends; it then returns nil. An error means that the cluster
// no longer lets us: a connection that is lost is tried again for as long as it takes.
func (s *stream) run(ctx context.Context) error {
	relist := false
	pause := firstPause
	lost := false
	for {
		began := time.Now()
		var err error
		if relist {
			var fresh string
			if fresh, err = s.list(ctx, false); err == nil {
				s.version, relist = fresh, false
			}
		}
		if !relist {
			err = s.watch(ctx, func() {
				if lost {
					s.note("connected again")
				}
				lost, pause = false, firstPause
			})
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case refused(err):
			return fmt.Errorf("%s can no longer be watched: %w", s.what, err)
		case answered(err) && !relist:
			s.expired(err)
			relist = true
		case err != nil && !lost:
			s.note(fmt.Sprintf("connection lost, trying again: %v", err))
			lost = true
		}
		// A watch that the server ended in its own time is taken up again at once.
		if err == nil && time.Since(began) > firstPause {
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
		pause = min(2*pause, longestPause)
	}
}

// watch shows events until the watch ends, and moves the version along with them. The error is what
// the server said in an ERROR event or instead of a watch, nil if the watch just ended.
func (s *stream) watch(ctx context.Context, connected func()) error {
	w, err := s.open(ctx, metav1.ListOptions{ResourceVersion: s.version, AllowWatchBookmarks: true})
	if err != nil {
		return err
	}
	defer w.Stop()
	connected()
	for e := range w.ResultChan() {
		if e.Type == watch.Error {
			return apierrors.FromObject(e.Object)
		}
		object, ok := e.Object.(metav1.Object)
		if !ok {
			return fmt.Errorf("a watch of %s sent a %T", s.what, e.Object)
		}
		s.version = object.GetResourceVersion()
		if e.Type == watch.Bookmark {
			continue
		}
		if err := s.see(e.Type, e.Object); err != nil {
			return err
		}
	}
	return nil
}

// refused says that asking again will not help.
func refused(err error) bool {
	return apierrors.IsUnauthorized(err) || apierrors.IsForbidden(err)
}

// answered says that the API server itself ended the watch with an error, 410 Gone as a rule, so that
// only a fresh list can go on. A server that is busy or starting is asked again instead.
func answered(err error) bool {
	var status apierrors.APIStatus
	if !errors.As(err, &status) || apierrors.IsTooManyRequests(err) || apierrors.IsServiceUnavailable(err) {
		return false
	}
	return true
}
