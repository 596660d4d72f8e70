package image

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	internalapi "k8s.io/cri-api/pkg/apis"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/podling/podling/clock/clocktest"
)

// store is the images that a runtime has.
type store struct {
	internalapi.ImageManagerService
	images []*runtimeapi.Image
	stuck  string // the image that cannot be removed
}

func (s *store) ListImages(context.Context, *runtimeapi.ImageFilter) ([]*runtimeapi.Image, error) {
	return slices.Clone(s.images), nil
}

func (s *store) ImageStatus(_ context.Context, spec *runtimeapi.ImageSpec, _ bool) (*runtimeapi.ImageStatusResponse, error) {
	for _, i := range s.images {
		if slices.Contains(i.RepoTags, spec.Image) {
			return &runtimeapi.ImageStatusResponse{Image: i}, nil
		}
	}
	return &runtimeapi.ImageStatusResponse{}, nil
}

func (s *store) RemoveImage(_ context.Context, spec *runtimeapi.ImageSpec) error {
	if spec.Image == s.stuck {
		return errors.New("busy")
	}
	s.images = slices.DeleteFunc(s.images, func(i *runtimeapi.Image) bool { return i.Id == spec.Image })
	return nil
}

// containers are those that a runtime has.
type containers struct {
	internalapi.ContainerManager
	all    []*runtimeapi.Container
	mounts map[string][]*runtimeapi.Mount // by container
	gone   string                         // since it was listed
}

func (c containers) ContainerStatus(_ context.Context, id string, _ bool) (*runtimeapi.ContainerStatusResponse, error) {
	if c.gone == id && id != "" {
		return nil, status.Error(codes.NotFound, "gone")
	}
	return &runtimeapi.ContainerStatusResponse{Status: &runtimeapi.ContainerStatus{Mounts: c.mounts[id]}}, nil
}

func (c containers) ListContainers(context.Context, *runtimeapi.ContainerFilter) ([]*runtimeapi.Container, error) {
	return c.all, nil
}

// What no container is made from goes, unless it is pinned, or a pod asked for it a moment ago.
func TestPrune(t *testing.T) {
	clock := clocktest.At(time.Unix(0, 0))
	s := &store{images: []*runtimeapi.Image{
		{Id: "pause", Pinned: true}, {Id: "running"}, {Id: "named", RepoTags: []string{"named:1"}}, {Id: "digested", RepoDigests: []string{"digested@sha256:1"}},
		{Id: "asked", RepoTags: []string{"asked:1"}}, {Id: "unused"}, {Id: "stuck"}, {Id: "volume"}, {Id: "old volume"},
	}, stuck: "stuck"}
	in := containers{all: []*runtimeapi.Container{
		{ImageId: "running", State: runtimeapi.ContainerState_CONTAINER_RUNNING},
		{Image: &runtimeapi.ImageSpec{Image: "named:1"}, State: runtimeapi.ContainerState_CONTAINER_EXITED},
		{ImageRef: "digested@sha256:1"},
		{Id: "reader"}, {Id: "gone"}, {Id: "read", State: runtimeapi.ContainerState_CONTAINER_EXITED},
	}, gone: "gone", mounts: map[string][]*runtimeapi.Mount{
		"reader": {{HostPath: "/h"}, {Image: &runtimeapi.ImageSpec{Image: "volume"}}},
		"read":   {{Image: &runtimeapi.ImageSpec{Image: "old volume"}}},
	}}
	images := New(s, clock)
	if ref, err := images.Find(t.Context(), "asked:1"); ref != "asked" || err != nil {
		t.Fatal(ref, err)
	}
	for _, step := range []struct {
		after time.Duration
		want  []string
	}{
		{fresh - time.Second, []string{"pause", "running", "named", "digested", "asked", "stuck", "volume"}},
		{fresh, []string{"pause", "running", "named", "digested", "stuck", "volume"}},
	} {
		clock.SetTime(time.Unix(0, 0).Add(step.after))
		if err := images.Prune(t.Context(), in); err == nil {
			t.Error("an image that cannot be removed is no error")
		}
		var left []string
		for _, i := range s.images {
			left = append(left, i.Id)
		}
		if !slices.Equal(left, step.want) {
			t.Errorf("after %v: %v, want %v", step.after, left, step.want)
		}
	}
}
