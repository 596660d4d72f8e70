package images

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// loadDocker takes the images of a `docker save` archive and says how many
// names they had.
func (s *Set) loadDocker(file string, in files) (int, error) {
	raw, err := in["manifest.json"].read()
	if err != nil {
		return 0, fmt.Errorf("manifest.json: %w", err)
	}
	var saved tarball.Manifest
	if err := json.Unmarshal(raw, &saved); err != nil {
		return 0, fmt.Errorf("manifest.json: %w", err)
	}
	named := 0
	for _, image := range saved {
		if len(image.RepoTags) == 0 {
			continue
		}
		m, err := s.dockerManifest(in, image)
		if err != nil {
			return named, fmt.Errorf("image %s: %w", image.RepoTags[0], err)
		}
		digest := s.keep(m)
		for _, tag := range image.RepoTags {
			if err := s.name(tag, file, digest); err != nil {
				return named, err
			}
			named++
		}
	}
	return named, nil
}

// dockerManifest makes the manifest that a registry would have of an image:
// docker's archives hold only its parts.
func (s *Set) dockerManifest(in files, image tarball.Descriptor) (manifest, error) {
	configFile, err := in.get(image.Config)
	if err != nil {
		return manifest{}, err
	}
	raw, err := configFile.read()
	if err != nil {
		return manifest{}, fmt.Errorf("%s: %w", image.Config, err)
	}
	config, err := v1.ParseConfigFile(bytes.NewReader(raw))
	if err != nil {
		return manifest{}, fmt.Errorf("%s: %w", image.Config, err)
	}
	if have, want := len(image.Layers), len(config.RootFS.DiffIDs); have != want {
		return manifest{}, fmt.Errorf("has %d layers and its config %d; save it again", have, want)
	}
	digest, size, err := v1.SHA256(bytes.NewReader(raw))
	if err != nil {
		return manifest{}, err
	}
	s.blobs[digest] = blob{data: raw, size: size}
	m := v1.Manifest{
		SchemaVersion: 2,
		MediaType:     types.OCIManifestSchema1,
		Config:        v1.Descriptor{MediaType: types.OCIConfigJSON, Size: size, Digest: digest},
	}
	for i, layer := range image.Layers {
		d, b, err := dockerLayer(in, layer, config.RootFS.DiffIDs[i])
		if err != nil {
			return manifest{}, err
		}
		s.blobs[d.Digest] = b
		m.Layers = append(m.Layers, d)
	}
	raw, err = json.Marshal(m)
	return manifest{m.MediaType, raw}, err
}

// dockerLayer describes a layer. An uncompressed one is known by the digest
// that the config holds; a compressed one is read through for its own.
func dockerLayer(in files, layer string, diffID v1.Hash) (v1.Descriptor, blob, error) {
	b, err := in.get(layer)
	if err != nil {
		return v1.Descriptor{}, b, err
	}
	d := v1.Descriptor{MediaType: types.OCIUncompressedLayer, Size: b.size, Digest: diffID}
	r, c, err := b.open()
	if err != nil {
		return d, b, err
	}
	var magic [4]byte
	if _, err = io.ReadFull(r, magic[:]); err == nil {
		switch {
		case bytes.HasPrefix(magic[:], []byte{0x1f, 0x8b}):
			d.MediaType = types.OCILayer
		case bytes.Equal(magic[:], []byte{0x28, 0xb5, 0x2f, 0xfd}):
			d.MediaType = types.OCILayerZStd
		}
	}
	if err == nil && d.MediaType != types.OCIUncompressedLayer {
		if _, err = r.Seek(0, io.SeekStart); err == nil {
			d.Digest, _, err = v1.SHA256(r)
		}
	}
	if err := cmp.Or(err, c.Close()); err != nil {
		return d, b, fmt.Errorf("layer %s: %w", layer, err)
	}
	return d, b, nil
}
