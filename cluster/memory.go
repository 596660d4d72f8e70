package cluster

import (
	"context"
	"fmt"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"time"

	"golang.org/x/sys/unix"
	"k8s.io/klog/v2"
)

const (
	// quietPeriod is how long little must happen before memory is given back.
	quietPeriod = 15 * time.Second
	// quietAllocations, in bytes, is what an idle cluster allocates in that time, and some more: it is
	// not worth a collection before as much has come together.
	quietAllocations = 8 << 20
	// heapAllocations counts all bytes that were ever allocated.
	heapAllocations = "/gc/heap/allocs:bytes"
)

// How often the collector runs while clusters start. For a real node that is twice as often as ever:
// what a cluster keeps is then not scattered over twice the memory, where it would stay, a tenth of all
// that an idle one holds, for a quarter of a second of one core. Simulated nodes are for tests, which
// wait for the start and do not idle.
const (
	startGCPercent     = 50
	startGCPercentTest = 800
)

// fleetGCPercent lets the collector run less often where there are many nodes: what they are for is
// many pods at once, and a third of the work on these is the collector's otherwise. fleetMemory is
// from which part of the machine's memory on it runs as often as it has to.
const (
	fleetGCPercent = 300
	fleetMemory    = 0.6
)

// collectSeldom sets the collector for a fleet, for the rest of the process's life.
func collectSeldom() error {
	var machine unix.Sysinfo_t
	if err := unix.Sysinfo(&machine); err != nil {
		return fmt.Errorf("how much memory the machine has: %w", err)
	}
	debug.SetMemoryLimit(int64(fleetMemory * float64(machine.Totalram) * float64(machine.Unit)))
	starting.Lock()
	defer starting.Unlock()
	if starting.percent = fleetGCPercent; starting.clusters == 0 {
		debug.SetGCPercent(fleetGCPercent)
	}
	return nil
}

// starting counts the clusters that start, for the collector's setting is the process's.
var starting struct {
	sync.Mutex
	clusters int
	percent  int // the setting to go back to
}

// collect sets the collector for a start on that runtime and returns what ends that.
func collect(runtime string) (restore func()) {
	percent := startGCPercent
	if runtime == RuntimeSim || runtime == RuntimeNone {
		percent = startGCPercentTest
	}
	starting.Lock()
	defer starting.Unlock()
	if starting.clusters++; starting.clusters == 1 {
		starting.percent = debug.SetGCPercent(percent)
	}
	return func() {
		starting.Lock()
		defer starting.Unlock()
		if starting.clusters--; starting.clusters == 0 {
			debug.SetGCPercent(starting.percent)
		}
	}
}

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
