package cluster

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"

	"k8s.io/klog/v2"
)

const (
	// quietPeriod is how long little must happen before memory is given back.
	quietPeriod = 15 * time.Second
	// quietAllocations, in bytes, is what an idle cluster allocates in that time, and some more.
	quietAllocations = 24 << 20
	// heapAllocations counts all bytes that were ever allocated.
	heapAllocations = "/gc/heap/allocs:bytes"
)

// giveBackMemory returns to the machine what a quiet cluster does not need, until ctx ends: the Go
// runtime keeps what a burst of work took, and the start is the largest, for minutes. It costs one
// collection each time, and none while the cluster works.
func giveBackMemory(ctx context.Context) {
	tick := time.NewTicker(quietPeriod)
	defer tick.Stop()
	sample := []metrics.Sample{{Name: heapAllocations}}
	read := func() uint64 {
		metrics.Read(sample)
		return sample[0].Value.Uint64()
	}
	last, given := read(), uint64(0)
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := read()
		if now-last < quietAllocations && now-given > quietAllocations {
			debug.FreeOSMemory()
			if err := forgetProgram(); err != nil {
				klog.Warningf("The program's own pages stay resident: %v", err)
			}
			given = read()
		}
		last = now
	}
}
