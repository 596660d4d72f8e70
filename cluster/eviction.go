package cluster

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/podling/podling/kubelet/eviction"
	"github.com/podling/podling/kubelet/image"
)

// addEvictionFlags makes flags of when the node evicts pods. Names and syntax are those of upstream's
// kubelet.
func (o *Options) addEvictionFlags(fs *pflag.FlagSet) {
	if o.Eviction.Transition == 0 {
		o.Eviction.Transition = eviction.DefaultTransition
	}
	e := &o.Eviction
	fs.Var(newSignals("<", &e.Hard, func(m map[string]string) eviction.Config { return eviction.Config{Hard: m} }),
		"eviction-hard", "evict pods at once when less is free, like memory.available<1Gi,nodefs.available<10%; \"\" for never (default: "+said(eviction.DefaultHard, "<")+")")
	fs.Var(newSignals("<", &e.Soft, func(m map[string]string) eviction.Config {
		grace := map[string]string{}
		for signal := range m {
			grace[signal] = "0s"
		}
		return eviction.Config{Soft: m, SoftGrace: grace}
	}), "eviction-soft", "evict pods when less is free for as long as --eviction-soft-grace-period says, like memory.available<1.5Gi")
	fs.Var(newSignals("=", &e.SoftGrace, func(m map[string]string) eviction.Config { return eviction.Config{SoftGrace: m} }),
		"eviction-soft-grace-period", "how long each --eviction-soft must hold, like memory.available=1m30s")
	fs.Var(newSignals("=", &e.MinimumReclaim, func(m map[string]string) eviction.Config { return eviction.Config{MinimumReclaim: m} }),
		"eviction-minimum-reclaim", "how much more than the threshold is made free, like imagefs.available=2Gi")
	fs.DurationVar(&e.Transition, "eviction-pressure-transition-period", e.Transition, "how long the node says that it is short of something after it was seen last")
	fs.Int64Var(&e.MaxPodGrace, "eviction-max-pod-grace-period", e.MaxPodGrace, "the most seconds that a pod has to end when it is evicted for --eviction-soft")
}

// addImageFlags makes flags of when the node removes images. Names are those of upstream's kubelet, and
// where it has none those of its configuration.
func (o *Options) addImageFlags(fs *pflag.FlagSet) {
	if o.ImageGC == (image.Policy{}) {
		o.ImageGC = image.DefaultPolicy
	}
	p := &o.ImageGC
	fs.IntVar(&p.High, "image-gc-high-threshold", p.High, "remove images that nobody uses when more percent than this of their disk are used; 100 for never")
	fs.IntVar(&p.Low, "image-gc-low-threshold", p.Low, "how many percent are used after that")
	fs.DurationVar(&p.MinAge, "minimum-image-ttl-duration", p.MinAge, "how long an image is kept at least")
	fs.DurationVar(&p.MaxAge, "image-maximum-gc-age", p.MaxAge, "remove images that nobody has used for so long, however much is free; 0 for never")
}

// checkNode refuses a node that makes no sense as a whole; each flag's own value was checked when it
// was set.
func (o *Options) checkNode() error {
	switch {
	case o.MaxPods < 0:
		return UsageError{fmt.Errorf("--max-pods %d: there cannot be fewer pods than none", o.MaxPods)}
	case o.NodeMonitorGracePeriod < 0 || o.NodeMonitorGracePeriod > 0 && o.NodeMonitorGracePeriod < time.Second:
		return UsageError{fmt.Errorf("--node-monitor-grace-period %v: want 1s or more", o.NodeMonitorGracePeriod)}
	case o.Eviction.Transition < 0:
		return UsageError{fmt.Errorf("--eviction-pressure-transition-period %v: a time to wait is not negative", o.Eviction.Transition)}
	case o.Eviction.MaxPodGrace < 0:
		return UsageError{fmt.Errorf("--eviction-max-pod-grace-period %d: a grace period is not negative", o.Eviction.MaxPodGrace)}
	}
	if err := o.Eviction.Check(); err != nil {
		return UsageError{fmt.Errorf("--eviction-soft %s: %w: say --eviction-soft-grace-period SIGNAL=1m30s", said(o.Eviction.Soft, "<"), err)}
	}
	if o.ImageGC == (image.Policy{}) {
		o.ImageGC = image.DefaultPolicy
	}
	if err := o.ImageGC.Check(); err != nil {
		return UsageError{fmt.Errorf("--image-gc-high-threshold and its like: %w", err)}
	}
	if _, err := o.reserved(); err != nil {
		return err
	}
	return o.Shutdown.complete()
}

// UsageError is options that contradict each other or make no sense.
type UsageError struct{ error }

// Unwrap is what is wrong.
func (e UsageError) Unwrap() error { return e.error }

// signals is a flag whose value is SIGNAL<VALUE,SIGNAL<VALUE… (or with another separator). Given more
// than once, it adds up.
type signals struct {
	separator string
	into      *map[string]string
	alone     func(map[string]string) eviction.Config // a configuration of nothing but that
}

func newSignals(separator string, into *map[string]string, alone func(map[string]string) eviction.Config) *signals {
	return &signals{separator, into, alone}
}

// Set is pflag.Value's.
func (s *signals) Set(text string) error {
	m := map[string]string{}
	maps.Copy(m, *s.into)
	for part := range strings.SplitSeq(text, ",") {
		if part == "" {
			continue
		}
		signal, value, ok := strings.Cut(part, s.separator)
		if !ok {
			return fmt.Errorf("%q is not SIGNAL%sVALUE", part, s.separator)
		}
		m[strings.TrimSpace(signal)] = strings.TrimSpace(value)
	}
	if err := s.alone(m).Check(); err != nil {
		return err
	}
	*s.into = m
	return nil
}

// String is pflag.Value's.
func (s *signals) String() string {
	if s.into == nil {
		return ""
	}
	return said(*s.into, s.separator)
}

// Type is pflag.Value's.
func (s *signals) Type() string { return "SIGNAL" + s.separator + "VALUE,..." }

// said is a map as it is written on a command line.
func said(m map[string]string, separator string) string {
	var parts []string
	for _, signal := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, signal+separator+m[signal])
	}
	return strings.Join(parts, ",")
}
