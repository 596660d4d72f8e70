package controlplane

import (
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/flowcontrol"
	"k8s.io/klog/v2"
)

// limited holds what r is told to the bound, except warnings. Upstream's scheduler has such a bound in
// its client (clientConnection, 50 a second and bursts of 100), and drops Events when too many wait.
func limited(r events.EventRecorderLogger, allowed flowcontrol.PassiveRateLimiter) events.EventRecorderLogger {
	if allowed == nil {
		return r
	}
	return &limitedRecorder{r, allowed}
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
