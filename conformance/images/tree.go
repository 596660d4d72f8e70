package images

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"runtime"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// A Tree is an image's root file system, put together file by file. The same files
// in the same order make the same bytes. What fails is told by Image.
type Tree struct {
	out     bytes.Buffer
	archive *tar.Writer
	had     map[string]bool
	err     error
}

// NewTree is an empty root file system.
func NewTree() *Tree {
	t := &Tree{had: map[string]bool{}}
	t.archive = tar.NewWriter(&t.out)
	return t
}

// Dir adds a folder, unless it is there.
func (t *Tree) Dir(name string, mode int64) {
	t.put(tar.Header{Name: name + "/", Mode: mode, Typeflag: tar.TypeDir}, nil)
}

// File adds a file, unless something is there by its name: what is added first stays.
func (t *Tree) File(name string, mode int64, content []byte) {
	t.put(tar.Header{Name: name, Mode: mode, Typeflag: tar.TypeReg}, content)
}

// Link adds a symbolic link, unless something is there by its name.
func (t *Tree) Link(name, target string) {
	t.put(tar.Header{Name: name, Linkname: target, Mode: 0o777, Typeflag: tar.TypeSymlink}, nil)
}

// Copy adds a file of this machine.
func (t *Tree) Copy(name string, mode int64, from string) {
	content, err := os.ReadFile(from)
	if err != nil {
		t.err = errors.Join(t.err, err)
		return
	}
	t.File(name, mode, content)
}

// Program adds a program of this machine, found on PATH, to a folder, and the
// libraries that it asks for where they are here, so that its loader finds them.
func (t *Tree) Program(dir, command string) {
	from, err := exec.LookPath(command)
	if err != nil {
		t.err = errors.Join(t.err, fmt.Errorf("no %s here, of which the image is made (Debian: apt-get install %s): %w", command, command, err))
		return
	}
	out, err := exec.Command("ldd", from).CombinedOutput()
	if err != nil && !strings.Contains(string(out), "not a dynamic executable") {
		t.err = errors.Join(t.err, fmt.Errorf("ldd %s: %w: %s", from, err, bytes.TrimSpace(out)))
		return
	}
	for word := range strings.FieldsSeq(string(out)) {
		if path.IsAbs(word) {
			t.Copy(strings.TrimPrefix(path.Clean(word), "/"), 0o755, word)
		}
	}
	t.Copy(path.Join(dir, command), 0o755, from)
}

// Busybox adds a static busybox, under all the names that it knows.
func (t *Tree) Busybox(from string) {
	applets, err := exec.Command(from, "--list").Output()
	if err != nil {
		t.err = errors.Join(t.err, fmt.Errorf("%s --list: %w", from, err))
		return
	}
	t.Copy("bin/busybox", 0o755, from)
	for name := range strings.FieldsSeq(string(applets)) {
		t.Link("bin/"+name, "busybox")
	}
}

func (t *Tree) put(h tar.Header, content []byte) {
	key := strings.TrimSuffix(h.Name, "/")
	if t.err != nil || t.had[key] {
		return
	}
	t.had[key] = true
	h.Size = int64(len(content))
	if t.err = t.archive.WriteHeader(&h); t.err == nil {
		_, t.err = t.archive.Write(content)
	}
}

// Image is an image of all that was added, or what went wrong while it was added.
// Nothing can be added after it.
func (t *Tree) Image() (v1.Image, error) {
	return t.On(mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON))
}

// On is Image, with all that was added as a layer on top of another image's.
func (t *Tree) On(base v1.Image) (v1.Image, error) {
	if err := errors.Join(t.err, t.archive.Close()); err != nil {
		return nil, fmt.Errorf("root file system: %w", err)
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(t.out.Bytes())), nil
	}, tarball.WithMediaType(types.OCILayer), tarball.WithCompressedCaching)
	if err != nil {
		return nil, fmt.Errorf("layer: %w", err)
	}
	filled, err := mutate.AppendLayers(base, layer)
	if err != nil {
		return nil, fmt.Errorf("image: %w", err)
	}
	return filled, nil
}

// With is an image with another configuration, for this machine's architecture.
func With(image v1.Image, config v1.Config) (v1.Image, error) {
	file, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	file = file.DeepCopy()
	file.OS, file.Architecture, file.Config = "linux", runtime.GOARCH, config
	return mutate.ConfigFile(image, file)
}
