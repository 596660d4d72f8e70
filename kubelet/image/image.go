// Package image gets images onto the node: it reads their names as the rest of
// the world does, asks the runtime whether they are there, and pulls them.
// Whether an image may be pulled, and when, is not decided here but by
// lifecycle.NextStep.
package image

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/distribution/reference"
	internalapi "k8s.io/cri-api/pkg/apis"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/podling/podling/clock"
	"github.com/podling/podling/lifecycle"
)

// parallel pulls at once: enough to keep a line busy, few enough to share it.
const parallel = 3

// Images is the node's view of its images.
type Images struct {
	service internalapi.ImageManagerService
	clock   clock.Clock
	slots   chan struct{}

	mu   sync.Mutex
	last map[string]time.Time // that a pod asked for an image, by its ID
}

// New gives the images that service holds.
func New(service internalapi.ImageManagerService, clock clock.Clock) *Images {
	return &Images{service: service, clock: clock, slots: make(chan struct{}, parallel), last: map[string]time.Time{}}
}

// Name completes an image's name: a name without tag and digest means :latest.
// The error says what is wrong with the name.
func Name(image string) (string, error) {
	named, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		return "", err
	}
	if reference.IsNameOnly(named) {
		return image + ":latest", nil // the name stays as it was written: the runtime normalizes it itself
	}
	return image, nil
}

// Find gives the runtime's reference of the image, "" if it is not there.
func (i *Images) Find(ctx context.Context, name string) (string, error) {
	r, err := i.service.ImageStatus(ctx, &runtimeapi.ImageSpec{Image: name}, false)
	if err != nil {
		return "", err
	}
	if id := r.GetImage().GetId(); id != "" {
		i.asked(id)
	}
	return r.GetImage().GetId(), nil
}

// User is the user that the image names: a number, a name, or neither.
func (i *Images) User(ctx context.Context, ref string) (uid *int64, name string, err error) {
	r, err := i.service.ImageStatus(ctx, &runtimeapi.ImageSpec{Image: ref}, false)
	switch {
	case err != nil:
		return nil, "", err
	case r.GetImage() == nil:
		return nil, "", fmt.Errorf("image %q is gone from the node", ref)
	case r.Image.GetUid() != nil:
		uid := r.Image.Uid.GetValue()
		return &uid, "", nil
	case r.Image.GetUsername() != "":
		return nil, r.Image.Username, nil
	}
	var root int64
	return &root, "", nil
}

// Pull pulls the image and says how it went. Credentials are tried in order.
func (i *Images) Pull(ctx context.Context, name string, auths []*runtimeapi.AuthConfig, sandbox *runtimeapi.PodSandboxConfig) *lifecycle.Pull {
	stood := i.clock.Now()
	waited := false
	clock.Pause(i.clock, func() {
		if ctx.Err() != nil {
			return // although there may be a slot: what comes of it does not hang on chance
		}
		select {
		case i.slots <- struct{}{}:
			waited = true
		case <-ctx.Done():
		}
	})
	if !waited {
		return &lifecycle.Pull{Result: lifecycle.Result{Err: ctx.Err().Error()}}
	}
	defer func() { <-i.slots }()
	began := i.clock.Now()
	if len(auths) == 0 {
		auths = []*runtimeapi.AuthConfig{nil}
	}
	p := &lifecycle.Pull{}
	for _, auth := range auths {
		id, err := i.service.PullImage(ctx, &runtimeapi.ImageSpec{Image: name}, auth, sandbox)
		p.Result = lifecycle.Result{ID: id}
		if err == nil {
			break
		}
		p.Err, p.Unavailable = err.Error(), unreachable(err.Error())
	}
	p.Took, p.Waited = i.clock.Since(began), i.clock.Since(stood)
	if p.Err == "" {
		if r, err := i.service.ImageStatus(ctx, &runtimeapi.ImageSpec{Image: p.ID}, false); err == nil && r.GetImage() != nil {
			p.Size, p.ID = r.Image.GetSize(), r.Image.GetId()
		}
		i.asked(p.ID)
	}
	return p
}

// unreachable: the error is of the way to the registry, not of what it answered.
// Runtimes hand these on as text only.
func unreachable(err string) bool {
	for _, sign := range []string{"dial tcp", "connection refused", "no such host", "no route to host", "network is unreachable",
		"i/o timeout", "TLS handshake timeout", "connection reset by peer", "503 Service Unavailable", "502 Bad Gateway"} {
		if strings.Contains(err, sign) {
			return true
		}
	}
	return false
}
