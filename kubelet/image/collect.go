package image

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	internalapi "k8s.io/cri-api/pkg/apis"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
	"k8s.io/klog/v2"

	"github.com/podling/podling/clock"
)

// Policy says when images that nobody uses are removed.
type Policy struct {
	High, Low int           // percent of the images' disk that may be used before, and to be used after
	MinAge    time.Duration // that an image has to be there before it goes
	MaxAge    time.Duration // without use after which it goes whatever is free; 0 for never
}

// DefaultPolicy is upstream's (KubeletConfiguration.imageGCHighThresholdPercent and so on).
var DefaultPolicy = Policy{High: 85, Low: 80, MinAge: fresh}

// Check says what is wrong with a policy.
func (p Policy) Check() error {
	switch {
	case p.High < 0 || p.High > 100:
		return fmt.Errorf("imageGCHighThresholdPercent %d: want 0 to 100", p.High)
	case p.Low < 0 || p.Low > 100:
		return fmt.Errorf("imageGCLowThresholdPercent %d: want 0 to 100", p.Low)
	case p.Low >= p.High:
		return fmt.Errorf("imageGCLowThresholdPercent %d has to be less than imageGCHighThresholdPercent, which is %d", p.Low, p.High)
	case p.MinAge < 0:
		return fmt.Errorf("imageMinimumGCAge %v: an age is not negative", p.MinAge)
	case p.MaxAge < 0:
		return fmt.Errorf("imageMaximumGCAge %v: an age is not negative", p.MaxAge)
	case p.MaxAge > 0 && p.MaxAge <= p.MinAge:
		return fmt.Errorf("imageMaximumGCAge %v has to be more than imageMinimumGCAge, which is %v", p.MaxAge, p.MinAge)
	}
	return nil
}

// collectEvery is upstream's ImageGCPeriod.
const collectEvery = 5 * time.Minute

// Disk is where the images are, in bytes.
type Disk struct{ Capacity, Available uint64 }

// Collector removes images that nobody uses where their disk is full, the one that was used least lately
// first (upstream: pkg/kubelet/images/image_gc_manager.go).
type Collector struct {
	images     *Images
	containers internalapi.ContainerManager
	policy     Policy
	disk       func(context.Context) (Disk, error)
	warn       func(reason, message string) // about the node

	began  time.Time
	seen   map[string]use // by ID
	failed bool           // the last time
}

// use is what is known of an image.
type use struct{ first, last time.Time }

// NewCollector makes a collector of the images that no container of the runtime is made from.
func NewCollector(images *Images, containers internalapi.ContainerManager, policy Policy, disk func(context.Context) (Disk, error), warn func(reason, message string)) *Collector {
	return &Collector{images: images, containers: containers, policy: policy, disk: disk, warn: warn, began: images.clock.Now(), seen: map[string]use{}}
}

// Run looks after the images until ctx ends.
func (c *Collector) Run(ctx context.Context) {
	if c.policy.High == 100 && c.policy.MaxAge == 0 {
		return
	}
	for {
		c.look(ctx)
		if !clock.Wait(ctx, c.images.clock, collectEvery) {
			return
		}
	}
}

// look collects once. That it fails is told from the second time on, as upstream tells it.
func (c *Collector) look(ctx context.Context) {
	err := c.collect(ctx)
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		klog.FromContext(ctx).Error(err, "Removing images that nobody uses")
		if c.failed {
			c.warn("ImageGCFailed", err.Error())
		}
	}
	c.failed = err != nil
}

// collect removes what has not been used for long, and, if the disk is too full, more until it is not.
func (c *Collector) collect(ctx context.Context) error {
	now := c.images.clock.Now()
	unused, err := c.unused(ctx, now)
	if err != nil {
		return err
	}
	if c.policy.MaxAge > 0 && now.Sub(c.began) > c.policy.MaxAge { // before, nobody knows how long
		old, rest := split(unused, func(i aged) bool { return now.Sub(i.last) > c.policy.MaxAge })
		if _, err := c.remove(ctx, old, math.MaxUint64); err != nil {
			return err
		}
		unused = rest
	}
	disk, err := c.disk(ctx)
	if err != nil {
		return err
	}
	if disk.Capacity == 0 {
		err := errors.New("invalid capacity 0 on image filesystem")
		c.warn("InvalidDiskCapacity", err.Error())
		return err
	}
	available := min(disk.Available, disk.Capacity)
	used := 100 - int(available*100/disk.Capacity)
	if used < c.policy.High {
		return nil
	}
	free := disk.Capacity * uint64(100-c.policy.Low) / 100
	if free <= available {
		return nil
	}
	klog.FromContext(ctx).Info("The images' disk is full: removing images that nobody uses", "used", used, "percent", c.policy.High, "bytes", free-available)
	ripe, _ := split(unused, func(i aged) bool { return now.Sub(i.first) >= c.policy.MinAge })
	freed, err := c.remove(ctx, ripe, free-available)
	if err != nil {
		return err
	}
	if freed < free-available {
		err := fmt.Errorf("Insufficient free disk space on the node's image filesystem (%d%% of %s used). Failed to free sufficient space by deleting unused images (freed %d bytes). "+ //lint:ignore ST1005 upstream's words
			"Investigate disk usage, as it could be used by active images, logs, volumes, or other data.", used, size(disk.Capacity), freed)
		c.warn("FreeDiskSpaceFailed", err.Error())
		return err
	}
	return nil
}

// aged is an image that nobody uses.
type aged struct {
	*runtimeapi.Image
	use
}

// unused are the images that may go, the one that was used least lately first.
func (c *Collector) unused(ctx context.Context, now time.Time) ([]aged, error) {
	images, used, err := c.images.look(ctx, c.containers)
	if err != nil {
		return nil, err
	}
	seen := map[string]use{}
	var out []aged
	for _, image := range images {
		u, known := c.seen[image.GetId()]
		if !known {
			u.first = now
		}
		if at, asked := c.images.lastAsked(image.GetId()); asked && at.After(u.last) {
			u.last = at
		}
		if used(image) || image.GetPinned() {
			u.last = now
		}
		seen[image.GetId()] = u
		if !used(image) && !image.GetPinned() && !c.images.isFresh(image.GetId()) {
			out = append(out, aged{image, u})
		}
	}
	c.seen = seen
	slices.SortStableFunc(out, func(a, b aged) int { return cmp.Or(a.last.Compare(b.last), a.first.Compare(b.first)) })
	return out, nil
}

// remove removes images until so many bytes are free, as far as the images themselves tell.
func (c *Collector) remove(ctx context.Context, images []aged, enough uint64) (freed uint64, err error) {
	var errs []error
	for _, image := range images {
		if freed >= enough {
			break
		}
		if err := c.images.remove(ctx, image.Image); err != nil {
			errs = append(errs, err)
			continue
		}
		delete(c.seen, image.GetId())
		freed += image.GetSize()
	}
	return freed, errors.Join(errs...)
}

// size is a number of bytes as people read it (upstream: formatSize).
func size(bytes uint64) string {
	if bytes < 1<<10 {
		return fmt.Sprintf("%d B", bytes)
	}
	n, unit := float64(bytes)/(1<<10), 0
	for units := "KMGT"; n >= 1<<10 && unit < len(units)-1; unit++ {
		n /= 1 << 10
	}
	return fmt.Sprintf("%.1f %ciB", n, "KMGT"[unit])
}

func split(images []aged, chosen func(aged) bool) (yes, no []aged) {
	for _, i := range images {
		if chosen(i) {
			yes = append(yes, i)
		} else {
			no = append(no, i)
		}
	}
	return yes, no
}
