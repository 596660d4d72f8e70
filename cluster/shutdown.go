package cluster

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/pflag"
	kubeletconfig "k8s.io/kubelet/config/v1beta1"

	"github.com/podling/podling/kubelet/shutdown"
)

// Shutdown says how long the node's pods have to end before its machine goes down, in one of two ways:
// by Grace, the last part of which, Critical, is critical pods'; or by pods' priorities.
type Shutdown struct {
	Grace, Critical time.Duration
	ByPriority      map[string]string // a priority to a time such as 20s

	periods shutdown.Periods // filled in by complete
}

// addFlags makes flags of it. The names are those of the fields of upstream's KubeletConfiguration.
func (s *Shutdown) addFlags(fs *pflag.FlagSet) {
	fs.DurationVar(&s.Grace, "shutdown-grace-period", s.Grace, "how long pods have to end before the machine shuts down, which systemd-logind tells (0: containers go on running until the machine ends them)")
	fs.DurationVar(&s.Critical, "shutdown-grace-period-critical-pods", s.Critical, "the part of --shutdown-grace-period, at its end, that critical pods have")
	fs.StringToStringVar(&s.ByPriority, "shutdown-grace-period-by-pod-priority", s.ByPriority, "the same by pods' priorities, like 0=60s,100000=10s: each time is that of pods of this priority and above")
}

// complete refuses what makes no sense.
func (s *Shutdown) complete() (err error) {
	if len(s.ByPriority) > 0 && (s.Grace != 0 || s.Critical != 0) {
		return UsageError{fmt.Errorf("--shutdown-grace-period-by-pod-priority stands for --shutdown-grace-period and --shutdown-grace-period-critical-pods: leave them out")}
	}
	if s.periods, err = shutdown.ByCriticality(s.Grace, s.Critical); err != nil {
		return UsageError{fmt.Errorf("--shutdown-grace-period, --shutdown-grace-period-critical-pods: %w", err)}
	}
	for _, priority := range slices.Sorted(maps.Keys(s.ByPriority)) {
		p, err := strconv.ParseInt(priority, 10, 32)
		if err != nil {
			return UsageError{fmt.Errorf("--shutdown-grace-period-by-pod-priority: %q is not a priority, such as 100000", priority)}
		}
		grace, err := time.ParseDuration(s.ByPriority[priority])
		if err != nil || grace%time.Second != 0 {
			return UsageError{fmt.Errorf("--shutdown-grace-period-by-pod-priority %s=%s: want a time of whole seconds, such as 20s", priority, s.ByPriority[priority])}
		}
		s.periods = append(s.periods, kubeletconfig.ShutdownGracePeriodByPodPriority{Priority: int32(p), ShutdownGracePeriodSeconds: int64(grace / time.Second)})
	}
	if s.periods, err = s.periods.Check(); err != nil {
		return UsageError{fmt.Errorf("--shutdown-grace-period-by-pod-priority: %w", err)}
	}
	return nil
}
