package cluster

import (
	"fmt"
	"os"

	"k8s.io/component-base/version"

	"github.com/podling/podling/kubelet/worker"
	"github.com/podling/podling/replay"
)

// recordDecisions begins the file that Options.RecordDecisions names, and returns what the nodes are to
// tell; nil if no file is named. It can be read by its owner alone: specs may hold what is secret.
func (c *Cluster) recordDecisions() (worker.Decided, error) {
	if c.options.RecordDecisions == "" {
		return nil, nil
	}
	file, err := os.OpenFile(c.options.RecordDecisions, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("--record-decisions: %w", err)
	}
	if c.decisions, err = replay.NewRecorder(file, "podling "+version.Get().GitVersion); err != nil {
		return nil, fmt.Errorf("--record-decisions: %w", err)
	}
	return c.decisions.Decided, nil
}
