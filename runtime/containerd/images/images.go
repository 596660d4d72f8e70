// Package images reads container images from files and serves them as a
// registry of podling's own.
//
// It stands before the real registries in a pod's way: containerd asks it
// first, so that `podling up --image busybox.tar` runs pods without a network
// and imagePullPolicy: Always is still a real pull. What it does not hold it
// answers with 404, and containerd goes on to the next registry.
package images

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// A Set holds named images. Fill it before it serves: it is not locked.
type Set struct {
	tags      map[string]tagged // "docker.io/library/busybox:1.36"
	manifests map[v1.Hash]manifest
	blobs     map[v1.Hash]blob
}

type manifest struct {
	mediaType types.MediaType
	raw       []byte
}

type tagged struct {
	digest v1.Hash
	host   string
	file   string // where the image came from
}

// A blob is a layer or a config: a part of a file, or bytes in memory. Files
// are opened when the blob is asked for, so that a set costs little memory.
type blob struct {
	path         string
	offset, size int64
	data         []byte
}

func (b blob) open() (io.ReadSeeker, io.Closer, error) {
	if b.path == "" {
		return bytes.NewReader(b.data), io.NopCloser(nil), nil
	}
	f, err := os.Open(b.path)
	if err != nil {
		return nil, nil, err
	}
	return io.NewSectionReader(f, b.offset, b.size), f, nil
}

// read gives the whole of a small blob.
func (b blob) read() ([]byte, error) {
	if b.size > maxManifest {
		return nil, fmt.Errorf("%d bytes, more than a manifest or config may have (%d)", b.size, maxManifest)
	}
	r, c, err := b.open()
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(r)
	return data, cmp.Or(err, c.Close())
}

// maxManifest bounds what is read into memory, as registries do.
const maxManifest = 4 << 20

// Load reads the images of archives (docker's or OCI's, uncompressed tar) and
// OCI layout folders. An error names the file and what is wrong with it.
func Load(paths ...string) (*Set, error) {
	s := &Set{
		tags:      map[string]tagged{},
		manifests: map[v1.Hash]manifest{},
		blobs:     map[v1.Hash]blob{},
	}
	for _, path := range paths {
		if err := s.load(path); err != nil {
			return nil, fmt.Errorf("image archive %s: %w", path, err)
		}
	}
	return s, nil
}

// Add puts an image into the set, its blobs in memory.
func (s *Set) Add(imageName string, img v1.Image) error {
	raw, err := img.RawManifest()
	if err != nil {
		return err
	}
	m, err := img.Manifest()
	if err != nil {
		return err
	}
	config, err := img.RawConfigFile()
	if err != nil {
		return err
	}
	layers, err := img.Layers()
	if err != nil {
		return err
	}
	s.blobs[m.Config.Digest] = blob{data: config, size: int64(len(config))}
	for i, layer := range layers {
		r, err := layer.Compressed()
		if err != nil {
			return err
		}
		data, err := io.ReadAll(r)
		if err := cmp.Or(err, r.Close()); err != nil {
			return err
		}
		s.blobs[m.Layers[i].Digest] = blob{data: data, size: int64(len(data))}
	}
	return s.name(imageName, "podling", s.keep(manifest{m.MediaType, raw}))
}

// Hosts are the registries that the set's images belong to, in order.
func (s *Set) Hosts() []string {
	hosts := map[string]bool{}
	for _, t := range s.tags {
		hosts[t.host] = true
	}
	return slices.Sorted(maps.Keys(hosts))
}

// Names are the images' full names, in order.
func (s *Set) Names() []string { return slices.Sorted(maps.Keys(s.tags)) }

func (s *Set) keep(m manifest) v1.Hash {
	digest, _, err := v1.SHA256(bytes.NewReader(m.raw))
	if err != nil {
		panic(err) // reading from memory does not fail
	}
	s.manifests[digest] = m
	return digest
}

func (s *Set) name(imageName, file string, digest v1.Hash) error {
	tag, err := name.NewTag(imageName)
	if err != nil {
		return fmt.Errorf("image name %q: %w", imageName, err)
	}
	t := tagged{digest: digest, host: host(tag.RegistryStr()), file: file}
	key := fullName(t.host, tag.RepositoryStr(), tag.TagStr())
	if old, ok := s.tags[key]; ok && old.digest != digest {
		return fmt.Errorf("%s is another image here than in %s; give one of them another name", key, old.file)
	}
	s.tags[key] = t
	return nil
}

// host is what containerd calls a registry.
func host(registry string) string {
	if registry == name.DefaultRegistry {
		return "docker.io"
	}
	return registry
}

func fullName(host, repository, tag string) string { return host + "/" + repository + ":" + tag }
