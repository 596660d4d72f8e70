package controlplane

import (
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/flowcontrol"
	"k8s.io/klog/v2"
)

// EventLimit bounds how many Events are written in a second, with bursts of Burst; QPS 0 is no bound.
// What is too much is not written. Upstream's scheduler has such a bound in its client
// (clientConnection, 50 and 100), and drops Events when too many wait.
type EventLimit struct {
	QPS   float32
	Burst int
}

// recorder holds what r is told to the bound, except warnings.
func (l EventLimit) recorder(r events.EventRecorderLogger) events.EventRecorderLogger {
	if l.QPS == 0 {
		return r
	}
	return &limitedRecorder{r, flowcontrol.NewTokenBucketRateLimiter(l.QPS, l.Burst)}
}

type limitedRecorder struct {
	events.EventRecorderLogger
	allowed flowcontrol.PassiveRateLimiter
}

// Eventf records the Event if it is a warning or within the bound.
func (r *limitedRecorder) Eventf(regarding, related runtime.Object, kind, reason, action, note string, args ...any) {
	if kind == v1.EventTypeWarning || r.allowed.TryAccept() {
		r.EventRecorderLogger.Eventf(regarding, related, kind, reason, action, note, args...)
	}
}

// WithLogger is the same recorder with another logger.
func (r *limitedRecorder) WithLogger(logger klog.Logger) events.EventRecorderLogger {
	return &limitedRecorder{r.EventRecorderLogger.WithLogger(logger), r.allowed}
}
