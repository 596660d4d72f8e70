package lifecycle

import v1 "k8s.io/api/core/v1"

// ProbeCount counts a probe's results in a row, and says when they settle
// anything (upstream: doProbe in pkg/kubelet/prober/worker.go).
type ProbeCount struct {
	last bool
	run  int32
}

// Add takes in one more result. It gives the count after it, and whether the
// threshold is reached that makes the result the container's.
func (n ProbeCount) Add(p *v1.Probe, success bool) (after ProbeCount, settled bool) {
	if n.run == 0 || n.last != success {
		n = ProbeCount{last: success}
	}
	n.run++
	threshold := p.FailureThreshold
	if success {
		threshold = p.SuccessThreshold
	}
	return n, n.run >= threshold
}
