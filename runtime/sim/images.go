package sim

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/distribution/reference"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/podling/podling/runtime/fault"
	"github.com/podling/podling/runtime/sim/script"
)

// image is one that the node has.
type image struct {
	id        string
	seq       uint64
	names     []string // as it was asked for, normalized
	digest    string
	size      uint64
	noCommand bool
}

// usualSize of an image that nobody has said anything about.
const usualSize = 4 << 20

// newImage makes an image of a name; what it is made of follows from that alone.
func newImage(name string) (*image, error) {
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return nil, status.Errorf(codes.InvalidArgument, "failed to parse image reference %q: %v", name, err)
	}
	named = reference.TagNameOnly(named)
	sum := func(what string) string {
		h := sha256.Sum256([]byte(what + named.String()))
		return "sha256:" + hex.EncodeToString(h[:])
	}
	i := &image{id: sum("config "), digest: named.Name() + "@" + sum("manifest "), size: usualSize}
	if d, ok := named.(reference.Digested); ok {
		i.digest = named.Name() + "@" + d.Digest().String()
	} else {
		i.names = []string{named.String()}
	}
	return i, nil
}

// with gives the image its place in the order. Called with r.mu held, or before r is shared.
func (r *Runtime) with(i *image) *image {
	r.made++
	i.seq = r.made
	return i
}

// find gives an image by its name, digest or ID. Called with r.mu held.
func (r *Runtime) find(name string) *image {
	if i := r.images[name]; i != nil {
		return i
	}
	if i := r.images["sha256:"+name]; i != nil {
		return i
	}
	made, err := newImage(name)
	if err != nil {
		return nil
	}
	if r.images[made.id] == nil {
		if rule := ruleFor(r.profiles, made.asked(name)); rule.OnNode {
			made.follow(rule)
			r.images[made.id] = r.with(made)
		}
	}
	return r.images[made.id]
}

// follow gives the image what a rule says of it.
func (i *image) follow(rule script.Image) {
	i.noCommand = rule.NoCommand
	if rule.Size != nil {
		i.size = uint64(rule.Size.Value())
	}
}

func (i *image) api() *runtimeapi.Image {
	return &runtimeapi.Image{Id: i.id, RepoTags: i.names, RepoDigests: []string{i.digest}, Size: i.size, Spec: &runtimeapi.ImageSpec{}}
}

// name is the image's last component: busybox of docker.io/library/busybox:1.36.
func (i *image) name() string {
	name, _, _ := strings.Cut(i.digest, "@")
	return path.Base(name)
}

// ours are images that are what the shell shows: a program that it does not know
// is not in them. All others have programs of their own.
var ours = []string{"busybox", "alpine", "debian", "ubuntu", "bash", "centos", "fedora", "rockylinux", "almalinux", "amazonlinux"}

func (i *image) foreign() bool { return !slices.Contains(ours, i.name()) }

// ListImages lists the older ones first.
func (r *Runtime) ListImages(_ context.Context, filter *runtimeapi.ImageFilter) ([]*runtimeapi.Image, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []*runtimeapi.Image
	wanted := (*image)(nil)
	if name := filter.GetImage().GetImage(); name != "" {
		if wanted = r.find(name); wanted == nil {
			return nil, nil
		}
	}
	for _, i := range inOrder(r.images, func(i *image) uint64 { return i.seq }) {
		if wanted == nil || i == wanted {
			out = append(out, i.api())
		}
	}
	return out, nil
}

// ImageStatus is the CRI's: nil for an image that the node does not have.
func (r *Runtime) ImageStatus(_ context.Context, spec *runtimeapi.ImageSpec, _ bool) (*runtimeapi.ImageStatusResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if i := r.find(spec.GetImage()); i != nil {
		return &runtimeapi.ImageStatusResponse{Image: i.api()}, nil
	}
	return &runtimeapi.ImageStatusResponse{}, nil
}

// RemoveImage is the CRI's.
func (r *Runtime) RemoveImage(_ context.Context, spec *runtimeapi.ImageSpec) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if i := r.find(spec.GetImage()); i != nil {
		delete(r.images, i.id)
	}
	return nil
}

// PullImage gets an image from the pretended registries: what the pod's script
// says of its pull, and what the profiles say the registries have.
func (r *Runtime) PullImage(ctx context.Context, spec *runtimeapi.ImageSpec, _ *runtimeapi.AuthConfig, config *runtimeapi.PodSandboxConfig) (string, error) {
	i, err := newImage(spec.GetImage())
	if err != nil {
		return "", err
	}
	names := i.asked(spec.GetImage())
	own, _ := script.OfPod(config.GetAnnotations()) // what is wrong with it the container's creation says
	r.mu.Lock()
	profiles := r.profiles
	r.mu.Unlock()
	rule := ruleFor(profiles, names)
	pull := r.scriptOf(profiles, own, fault.Container(ctx), config, names).Pull
	took := time.Duration(rule.Pull)
	i.follow(rule)
	if pull != nil {
		if pull.Took > 0 {
			took = time.Duration(pull.Took)
		}
		if pull.Size != nil {
			i.size = uint64(pull.Size.Value())
		}
	}
	if err := r.delay(ctx, took); err != nil {
		return "", status.FromContextError(err).Err()
	}
	if err := i.refused(rule, pull); err != nil {
		return "", err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if had := r.images[i.id]; had != nil {
		i.seq = had.seq
		r.images[i.id] = i
	} else {
		r.images[i.id] = r.with(i)
	}
	return i.id, nil
}

// asked are the names that patterns are compared with: as it was asked for, with
// and without what every image's name may leave out.
func (i *image) asked(name string) []string {
	out := []string{name, i.digest}
	for _, full := range i.names {
		out = append(out, full, strings.TrimPrefix(full, "docker.io/"), strings.TrimPrefix(full, "docker.io/library/"), strings.TrimSuffix(name, ":latest"))
	}
	return out
}

// ruleFor is the first that a profile has for an image.
func ruleFor(profiles []script.Profile, names []string) script.Image {
	for _, p := range profiles {
		for i := range p.Images {
			if p.Images[i].Matches(names...) {
				return p.Images[i]
			}
		}
	}
	return script.Image{}
}

// refused is the error of a pull that fails, in containerd's words.
func (i *image) refused(rule script.Image, pull *script.Pull) error {
	full := i.digest
	if len(i.names) > 0 {
		full = i.names[0]
	}
	fails := func(code codes.Code, format string, args ...any) error {
		return status.Errorf(code, "failed to pull and unpack image %q: "+format, append([]any{full}, args...)...)
	}
	host, rest, _ := strings.Cut(full, "/")
	if host == "docker.io" {
		host = "registry-1.docker.io"
	}
	repository, version, ok := strings.Cut(rest, "@")
	if !ok {
		colon := strings.LastIndexByte(rest, ':')
		repository, version = rest[:colon], rest[colon+1:]
	}
	switch {
	case pull != nil && pull.Error != "":
		return fails(codes.Unknown, "%s", pull.Error)
	case rule.Error != "":
		return fails(codes.Unknown, "%s", rule.Error)
	case rule.NotFound:
		return fails(codes.NotFound, "failed to resolve image: %s: not found", full)
	case rule.Unreachable:
		name, _, _ := strings.Cut(host, ":")
		return fails(codes.Unknown, "failed to resolve image: failed to do request: Head \"https://%s/v2/%s/manifests/%s\": dial tcp: lookup %s: no such host", host, repository, version, name)
	}
	return nil
}

// ImageFsInfo is what the images use.
func (r *Runtime) ImageFsInfo(context.Context) (*runtimeapi.ImageFsInfoResponse, error) {
	now := r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	var used uint64
	for _, i := range r.images {
		used += i.size
	}
	usage := []*runtimeapi.FilesystemUsage{{Timestamp: now, FsId: &runtimeapi.FilesystemIdentifier{Mountpoint: "/"},
		UsedBytes: &runtimeapi.UInt64Value{Value: used}, InodesUsed: &runtimeapi.UInt64Value{Value: uint64(len(r.images))}}}
	return &runtimeapi.ImageFsInfoResponse{ImageFilesystems: usage, ContainerFilesystems: usage}, nil
}
