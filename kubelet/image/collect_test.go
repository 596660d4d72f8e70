package image

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/podling/podling/clock/clocktest"
)

// cellar is images on a disk of 1000 bytes, of which other things take some.
type cellar struct {
	*store
	other uint64
	err   error
	said  []string
}

func (c *cellar) disk(context.Context) (Disk, error) {
	used := c.other
	for _, i := range c.images {
		used += i.Size
	}
	return Disk{Capacity: 1000, Available: 1000 - min(used, 1000)}, c.err
}

func (c *cellar) warn(reason, message string) { c.said = append(c.said, reason+": "+message) }

func (c *cellar) left() string {
	var ids []string
	for _, i := range c.images {
		ids = append(ids, i.Id)
	}
	return strings.Join(ids, " ")
}

// What was used least lately goes first, until enough is free, and nothing that is used, pinned or new.
func TestCollect(t *testing.T) {
	start := time.Unix(0, 0)
	clock := clocktest.At(start)
	s := &cellar{store: &store{images: []*runtimeapi.Image{
		{Id: "pause", Pinned: true, Size: 10}, {Id: "runs", Size: 100}, {Id: "ran", Size: 100}, {Id: "never", Size: 50}, {Id: "asked", Size: 100, RepoTags: []string{"asked:1"}},
	}}}
	in := &containers{all: []*runtimeapi.Container{{Id: "a", ImageId: "runs"}, {Id: "b", ImageId: "ran", State: runtimeapi.ContainerState_CONTAINER_EXITED}}}
	images := New(s, clock)
	c := NewCollector(images, in, DefaultPolicy, s.disk, s.warn)
	step := func(after time.Duration, want string, said ...string) {
		t.Helper()
		clock.SetTime(start.Add(after))
		s.said = nil
		c.look(t.Context())
		if got := s.left(); got != want || !slices.Equal(s.said, said) {
			t.Errorf("after %v, with %d bytes of others: %s, want %s; said %q", after, s.other, got, want, s.said)
		}
	}
	step(0, "pause runs ran never asked")
	s.other = 480 // 840 used: 84 percent
	step(10*time.Minute, "pause runs ran never asked")
	s.other = 481 // which is called 85: percents are of what is free, and whole
	in.all = in.all[:1]
	clock.SetTime(start.Add(11 * time.Minute))
	if ref, err := images.Find(t.Context(), "asked:1"); ref != "asked" || err != nil {
		t.Fatal(ref, err)
	}
	step(20*time.Minute, "pause runs ran asked")
	s.other = 600 // 910 used: both are too few
	const few = "Insufficient free disk space on the node's image filesystem (91% of 1000 B used). Failed to free sufficient space by deleting unused images (freed 100 bytes). Investigate disk usage, as it could be used by active images, logs, volumes, or other data."
	s.images = append(s.images, &runtimeapi.Image{Id: "new"})
	clock.SetTime(start.Add(29*time.Minute + time.Second))
	if _, err := images.Find(t.Context(), "asked:1"); err != nil {
		t.Fatal(err)
	}
	step(30*time.Minute, "pause runs asked new", "FreeDiskSpaceFailed: "+few)
	s.other = 0
	step(40*time.Minute, "pause runs asked new")
	s.err = errors.New("no figures")
	step(50*time.Minute, "pause runs asked new")
	step(60*time.Minute, "pause runs asked new", "ImageGCFailed: no figures")
	s.err = nil
	step(70*time.Minute, "pause runs asked new")
	s.other, s.stuck = 900, "asked"
	step(80*time.Minute, "pause runs asked")
	step(90*time.Minute, "pause runs asked", "ImageGCFailed: removing image asked: busy")
}

// What nobody has used for long goes, however much is free; but nobody knows how long it was before the node began.
func TestCollectOld(t *testing.T) {
	start := time.Unix(1e9, 0)
	clock := clocktest.At(start)
	s := &cellar{store: &store{images: []*runtimeapi.Image{{Id: "runs"}, {Id: "ran"}, {Id: "never"}}}}
	in := &containers{all: []*runtimeapi.Container{{Id: "a", ImageId: "runs"}, {Id: "b", ImageId: "ran"}}}
	c := NewCollector(New(s, clock), in, Policy{High: 100, Low: 80, MaxAge: time.Hour}, s.disk, s.warn)
	for _, step := range []struct {
		after time.Duration
		want  string
	}{{0, "runs ran never"}, {time.Hour, "runs ran never"}, {time.Hour + time.Second, "runs ran"}, {2 * time.Hour, "runs ran"}, {2*time.Hour + time.Minute, "runs"}} {
		clock.SetTime(start.Add(step.after))
		if c.look(t.Context()); s.left() != step.want || len(s.said) > 0 {
			t.Errorf("after %v: %s, want %s; said %q", step.after, s.left(), step.want, s.said)
		}
		if step.after > time.Hour {
			in.all = in.all[:1]
		}
	}
	c.disk = func(context.Context) (Disk, error) { return Disk{}, nil }
	if c.look(t.Context()); !slices.Equal(s.said, []string{"InvalidDiskCapacity: invalid capacity 0 on image filesystem"}) {
		t.Errorf("a disk of nothing: %q", s.said)
	}
}

func TestSize(t *testing.T) {
	for bytes, want := range map[uint64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1536 << 10: "1.5 MiB", 20 << 30: "20.0 GiB", 3 << 40: "3.0 TiB", 5 << 50: "5120.0 TiB"} {
		if got := size(bytes); got != want {
			t.Errorf("%d: %s, want %s", bytes, got, want)
		}
	}
}
