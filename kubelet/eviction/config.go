package eviction

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	api "k8s.io/kubernetes/pkg/kubelet/eviction/api"
)

// DefaultHard are the hard thresholds of a node that is not told others (upstream:
// pkg/kubelet/eviction/defaults_linux.go). There is none for process ids.
var DefaultHard = map[string]string{
	"memory.available": "100Mi",
	"nodefs.available": "10%", "nodefs.inodesFree": "5%",
	"imagefs.available": "15%", "imagefs.inodesFree": "5%",
}

// DefaultTransition is how long a pressure is reported after it was seen last, so that a node at the
// edge does not take and refuse pods in turns.
const DefaultTransition = 5 * time.Minute

// Config says when a node is short of something. The maps are from a signal, such as
// memory.available, to a quantity (100Mi), a part of all there is (10%), or a duration (1m30s), as
// in upstream's kubelet configuration.
type Config struct {
	// Hard thresholds evict at once; nil is DefaultHard, an empty map none.
	Hard map[string]string
	// Soft thresholds evict after having been met for as long as SoftGrace says.
	Soft, SoftGrace map[string]string
	// MinimumReclaim is how much more than the threshold is made free.
	MinimumReclaim map[string]string
	// Transition is how long a pressure outlasts its cause; 0 is DefaultTransition.
	Transition time.Duration
	// MaxPodGrace bounds the grace period of pods evicted for a soft threshold, in seconds.
	MaxPodGrace int64
}

// what is known of a signal.
type signal struct {
	name      api.Signal
	resource  v1.ResourceName // what runs short
	condition v1.NodeConditionType
}

// The resources that only eviction counts.
const (
	inodes v1.ResourceName = "inodes"
	pids   v1.ResourceName = "pids"
)

// signals are those that a node watches, in the order in which their thresholds are seen to: memory
// first, as upstream does.
var signals = []signal{
	{api.SignalMemoryAvailable, v1.ResourceMemory, v1.NodeMemoryPressure},
	{api.SignalNodeFsAvailable, v1.ResourceEphemeralStorage, v1.NodeDiskPressure},
	{api.SignalNodeFsInodesFree, inodes, v1.NodeDiskPressure},
	{api.SignalImageFsAvailable, v1.ResourceEphemeralStorage, v1.NodeDiskPressure},
	{api.SignalImageFsInodesFree, inodes, v1.NodeDiskPressure},
	{api.SignalPIDAvailable, pids, v1.NodePIDPressure},
}

// unheeded are signals that may be named and change nothing: containers write to the file system of
// either the node or the images, and its thresholds hold for them (upstream:
// UpdateContainerFsThresholds).
var unheeded = []api.Signal{api.SignalContainerFsAvailable, api.SignalContainerFsInodesFree}

// threshold is one that the node minds.
type threshold struct {
	signal
	value, reclaim api.ThresholdValue
	grace          time.Duration
	hard           bool // its pods go at once
}

// Check says what is wrong with the configuration, and where: hard thresholds, soft ones, their
// grace periods or the minimum to reclaim.
func (c Config) Check() error {
	_, err := c.thresholds()
	return err
}

// thresholds are the configuration's, in the order of signals, hard ones before soft ones.
func (c Config) thresholds() ([]threshold, error) {
	hard, err := values(c.WithDefaults().Hard, ParseThreshold)
	if err != nil {
		return nil, err
	}
	soft, err := values(c.Soft, ParseThreshold)
	if err != nil {
		return nil, err
	}
	grace, err := values(c.SoftGrace, ParseGrace)
	if err != nil {
		return nil, err
	}
	reclaim, err := values(c.MinimumReclaim, ParseReclaim)
	if err != nil {
		return nil, err
	}
	for name, v := range soft {
		if _, found := grace[name]; !found && v != nil {
			return nil, fmt.Errorf("grace period must be specified for the soft eviction threshold %v", name)
		}
	}
	var out []threshold
	for _, s := range signals {
		if v, found := hard[s.name]; found && v != nil {
			out = append(out, threshold{signal: s, value: *v, reclaim: reclaim[s.name], hard: true})
		}
		if v, found := soft[s.name]; found && v != nil {
			// A grace period of nothing makes it as hard as the others.
			out = append(out, threshold{signal: s, value: *v, reclaim: reclaim[s.name], grace: grace[s.name], hard: grace[s.name] == 0})
		}
	}
	return out, nil
}

// WithDefaults is the configuration with the defaults in the place of what it leaves out.
func (c Config) WithDefaults() Config {
	if c.Hard == nil {
		c.Hard = DefaultHard
	}
	if c.Transition == 0 {
		c.Transition = DefaultTransition
	}
	return c
}

// values reads what is said of signals.
func values[V any](said map[string]string, parse func(string) (V, error)) (map[api.Signal]V, error) {
	out := map[api.Signal]V{}
	for name, text := range said {
		s := api.Signal(name)
		if !slices.Contains(unheeded, s) && !slices.ContainsFunc(signals, func(known signal) bool { return known.name == s }) {
			return nil, fmt.Errorf("unsupported eviction signal %v", name)
		}
		v, err := parse(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		out[s] = v
	}
	return out, nil
}

// ParseThreshold reads what must be free: a quantity, or a percentage of all there is. 0% and 100%
// are no threshold: nil.
func ParseThreshold(text string) (*api.ThresholdValue, error) {
	if text == "0%" || text == "100%" {
		return nil, nil
	}
	v, err := parseValue(text)
	switch {
	case err != nil:
		return nil, err
	case v.Quantity != nil && v.Quantity.Sign() <= 0:
		return nil, fmt.Errorf("an eviction threshold must be positive, not %s", text)
	case v.Quantity == nil && !(v.Percentage >= 0 && v.Percentage <= 1):
		return nil, fmt.Errorf("an eviction threshold must be between 0%% and 100%%, not %s", text)
	}
	return &v, nil
}

// ParseReclaim reads how much more is to be made free.
func ParseReclaim(text string) (api.ThresholdValue, error) {
	v, err := parseValue(text)
	switch {
	case err != nil:
		return v, err
	case v.Quantity != nil && v.Quantity.Sign() < 0:
		return v, fmt.Errorf("a minimum to reclaim must not be negative: %s", text)
	case v.Quantity == nil && !(v.Percentage > 0):
		return v, fmt.Errorf("a minimum to reclaim must be positive as a percentage, not %s", text)
	}
	return v, nil
}

// ParseGrace reads how long a soft threshold must have been met.
func ParseGrace(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err == nil && d < 0 {
		err = fmt.Errorf("a grace period must not be negative: %s", text)
	}
	return d, err
}

func parseValue(text string) (api.ThresholdValue, error) {
	if number, found := strings.CutSuffix(text, "%"); found {
		part, err := strconv.ParseFloat(number, 32)
		if err != nil || math.IsNaN(part) {
			return api.ThresholdValue{}, fmt.Errorf("%q is no percentage", text)
		}
		return api.ThresholdValue{Percentage: float32(part) / 100}, nil
	}
	q, err := resource.ParseQuantity(text)
	if err != nil {
		return api.ThresholdValue{}, fmt.Errorf("%q is neither a quantity, like 100Mi, nor a percentage, like 10%%: %w", text, err)
	}
	return api.ThresholdValue{Quantity: &q}, nil
}
