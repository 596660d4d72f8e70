package main

import (
	"context"
	"fmt"
	"time"

	"k8s.io/client-go/kubernetes"

	"github.com/podling/podling/bench/cpu"
	"github.com/podling/podling/bench/memory"
	"github.com/podling/podling/bench/writes"
)

// atRest watches a cluster whose pods all run and to which nothing happens: what it
// holds, what it uses, and what it writes to etcd, made an hour's.
func (s *scale) atRest(ctx context.Context, c *simulation, pods int) error {
	s.say("%s at rest for %v, twice: the first time it comes to rest", c.name, s.idle)
	var seen [3]stock
	for i := range seen {
		var err error
		if seen[i], err = take(ctx, c.client, c.pids); err != nil {
			return err
		}
		if i == len(seen)-1 {
			break
		}
		select {
		case <-time.After(s.idle):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	from, to := seen[1], seen[2]
	took, written := to.at.Sub(from.at), to.writes.Since(from.writes)
	s.say("%s at rest: %v in %v", c.name, written, took.Round(time.Second))
	what := fmt.Sprintf("at rest with %d pods", pods)
	s.figures.add(what+", resident", "MB", c.name, float64(to.memory.Resident)/1e6)
	s.figures.add(what+", anonymous", "MB", c.name, float64(to.memory.Anonymous)/1e6)
	s.figures.add(what+", of one core", "%", c.name, 100*(to.cpu-from.cpu).Seconds()/took.Seconds())
	s.figures.add(what+", writes to etcd", "1/h", c.name, perHour(written.Revision, took))
	s.figures.add(what+", writes to disk", "MB/h", c.name, perHour(to.disk-from.disk, took)/1e6)
	return nil
}

// A stock is what a cluster has used, holds and has written at some moment.
type stock struct {
	at     time.Time
	cpu    time.Duration
	memory memory.Usage
	writes writes.Count
	disk   int64 // bytes
}

func take(ctx context.Context, client kubernetes.Interface, pids []int) (stock, error) {
	var s stock
	var err error
	if s.writes, err = writes.Read(ctx, client); err != nil {
		return s, err
	}
	if s.memory, err = memory.Of(pids...); err != nil {
		return s, err
	}
	if s.disk, err = writes.ToDisk(pids...); err != nil {
		return s, err
	}
	s.at = time.Now()
	s.cpu, err = cpu.Of(pids...)
	return s, err
}

// perHour is how many there would be in an hour.
func perHour(n int64, in time.Duration) float64 { return float64(n) / in.Hours() }
