package images

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Where a layout's index.json says what its images are called.
const (
	containerdName = "io.containerd.image.name"          // a full name
	refName        = "org.opencontainers.image.ref.name" // a full name, or a tag alone
)

// loadLayout takes the images of an OCI layout and says how many had a name.
func (s *Set) loadLayout(file string, in files) (int, error) {
	raw, err := in["index.json"].read()
	if err != nil {
		return 0, fmt.Errorf("index.json: %w", err)
	}
	index, err := v1.ParseIndexManifest(bytes.NewReader(raw))
	if err != nil {
		return 0, fmt.Errorf("index.json: %w", err)
	}
	named := 0
	for _, d := range index.Manifests {
		imageName := layoutName(d.Annotations)
		if imageName == "" {
			continue
		}
		if err := s.loadManifest(in, d); err != nil {
			return named, fmt.Errorf("image %s: %w", imageName, err)
		}
		if err := s.name(imageName, file, d.Digest); err != nil {
			return named, err
		}
		named++
	}
	return named, nil
}

func layoutName(annotations map[string]string) string {
	if n := annotations[containerdName]; n != "" {
		return n
	}
	if n := annotations[refName]; strings.ContainsAny(n, "/:") {
		return n
	}
	return ""
}

// loadManifest takes a manifest or an index, and all that hangs on it.
func (s *Set) loadManifest(in files, d v1.Descriptor) error {
	b, err := part(in, d)
	if err != nil {
		return err
	}
	raw, err := b.read()
	if err != nil {
		return fmt.Errorf("manifest %s: %w", d.Digest, err)
	}
	// Both kinds are read as one: a list has manifests, an image has a config.
	var m struct {
		MediaType types.MediaType
		Manifests []v1.Descriptor
		Config    *v1.Descriptor
		Layers    []v1.Descriptor
	}
	if err := json.Unmarshal(raw, &m); err != nil {
		return fmt.Errorf("manifest %s: %w", d.Digest, err)
	}
	switch {
	case len(m.Manifests) > 0:
		err = s.loadPlatforms(in, m.Manifests)
	case m.Config != nil:
		err = s.loadBlobs(in, append(m.Layers, *m.Config))
	default:
		err = fmt.Errorf("manifest %s names neither a config nor other manifests", d.Digest)
	}
	if err != nil {
		return err
	}
	mediaType := d.MediaType
	if mediaType == "" {
		mediaType = m.MediaType
	}
	if got := s.keep(manifest{mediaType, raw}); got != d.Digest {
		return fmt.Errorf("manifest %s: its content has digest %s; save the image again", d.Digest, got)
	}
	return nil
}

// loadPlatforms takes what is there of an image for several platforms: tools
// write the whole list and the parts of one platform only.
func (s *Set) loadPlatforms(in files, platforms []v1.Descriptor) error {
	var missing []error
	for _, d := range platforms {
		if err := s.loadManifest(in, d); err != nil {
			missing = append(missing, err)
		}
	}
	if len(missing) == len(platforms) {
		return errors.Join(missing...)
	}
	return nil
}

func (s *Set) loadBlobs(in files, descriptors []v1.Descriptor) error {
	for _, d := range descriptors {
		b, err := part(in, d)
		if err != nil {
			return err
		}
		s.blobs[d.Digest] = b
	}
	return nil
}

func part(in files, d v1.Descriptor) (blob, error) {
	name := "blobs/" + d.Digest.Algorithm + "/" + d.Digest.Hex
	b, err := in.get(name)
	if err != nil {
		return b, err
	}
	if b.size != d.Size {
		return b, fmt.Errorf("%s has %d bytes and should have %d; save the image again", name, b.size, d.Size)
	}
	return b, nil
}
