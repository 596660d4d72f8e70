package lifecycle

import (
	"time"

	v1 "k8s.io/api/core/v1"
)

// The back-offs of restarts and image pulls (upstream: MaxCrashLoopBackOff,
// initialCrashLoopBackOff and imageBackOffPeriod in pkg/kubelet/kubelet.go).
const (
	InitialBackoff = 10 * time.Second
	MaxBackoff     = 5 * time.Minute
)

// Backoff is a delay that doubles with each failure, as plain data. Its rules
// are those of k8s.io/client-go/util/flowcontrol.Backoff.
type Backoff struct {
	Key     string // what it is that failed; something else starts afresh
	Delay   time.Duration
	Updated time.Time
}

// expired: nothing failed for so long that counting begins anew.
func (b Backoff) expired(since time.Time) bool {
	return since.Sub(b.Updated) > 2*MaxBackoff
}

// Until is the end of the back-off that began at since, and whether there is
// one to wait for at now. If since is yet to come the clock was put back, and nobody can tell how
// long ago it was: there is nothing to wait for.
func (b Backoff) Until(key string, since, now time.Time) (time.Time, bool) {
	if b.Delay == 0 || b.Key != key || b.expired(since) || now.Before(since) {
		return time.Time{}, false
	}
	end := since.Add(b.Delay)
	return end, now.Before(end)
}

// Next is the back-off after one more attempt at now, for a failure at since.
func (b Backoff) Next(key string, since, now time.Time) Backoff {
	delay := InitialBackoff
	if b.Delay > 0 && b.Key == key && !b.expired(since) {
		delay = min(2*b.Delay, MaxBackoff)
	}
	return Backoff{Key: key, Delay: delay, Updated: now}
}

// retryDelay is how long to wait after a failure that has no back-off of its
// own (sandbox, volumes, container configuration): 1 s, doubling to 10 s, which
// is upstream's steady interval (backOffPeriod in pkg/kubelet/kubelet.go).
func retryDelay(attempts int) time.Duration {
	return min(time.Second<<min(max(attempts-1, 0), 4), 10*time.Second)
}

// retryAt is when a failure may be tried again.
func (f *Failure) retryAt() time.Time { return f.At.Add(retryDelay(f.Attempts)) }

// restartKey is what the restarts of a container are counted for: another image or
// other resources may mend what was wrong (upstream: GetBackoffKey in
// pkg/kubelet/kuberuntime/helpers.go).
func restartKey(c *v1.Container) string {
	if len(c.Resources.Requests)+len(c.Resources.Limits) == 0 {
		return c.Image
	}
	return c.Image + " " + c.Resources.String()
}
