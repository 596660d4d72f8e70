package controlplane

import (
	"errors"
	"runtime"
	"sync"

	"k8s.io/klog/v2"
)

// failure is the first end of a part that nobody asked for.
type failure struct {
	done chan struct{}

	mu       sync.Mutex
	err      error
	disarmed bool // a stop was asked for: what ends now, ends in order
}

func newFailure() *failure {
	f := &failure{done: make(chan struct{})}
	catchFatal()
	running.Store(f, nil)
	return f
}

// report keeps the first error.
func (f *failure) report(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil && !f.disarmed {
		f.err = err
		close(f.done)
	}
}

func (f *failure) error() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

// disarm makes it ignore what ends from here on.
func (f *failure) disarm() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.disarmed = true
	running.Delete(f)
}

// running has the failure of each control plane in this process.
var running sync.Map

var errFatal = errors.New("a part of the control plane gave up: the log says which and why")

// catchFatal keeps upstream from ending the process where it gives up (klog.Fatal, as in the API
// server's post-start hooks): whoever started the control plane decides, and stops the rest in order.
var catchFatal = sync.OnceFunc(func() {
	klog.OsExit = func(int) {
		running.Range(func(f, _ any) bool {
			f.(*failure).report(errFatal)
			return true
		})
		runtime.Goexit()
	}
})
