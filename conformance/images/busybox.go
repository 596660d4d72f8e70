// Package images makes the images that the scenarios name out of this machine's
// static busybox, and serves them from a registry on loopback, so that a pod's pull
// is a real one on a machine without internet.
//
// In a pod's way it stands behind the container runtime, where Docker Hub stands
// otherwise.
package images

import (
	"archive/tar"
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// passwd knows root alone: a pod's status names the user and groups that a
// container ended up with.
const passwd = "root:x:0:0:root:/root:/bin/sh\n"

// Busybox finds a static busybox on this machine: on PATH, or where Debian's
// busybox-static puts it.
func Busybox() (string, error) {
	var tried []error
	onPath, err := exec.LookPath("busybox")
	if err != nil {
		tried = append(tried, err)
	}
	for _, path := range []string{onPath, "/bin/busybox", "/usr/bin/busybox"} {
		if path == "" {
			continue
		}
		err := static(path)
		if err == nil {
			return path, nil
		}
		tried = append(tried, err)
	}
	return "", fmt.Errorf("no static busybox here, of which the images are made (Debian: apt-get install busybox-static): %w", errors.Join(tried...))
}

// static is an error unless the program runs without libraries, as it must in an
// image that holds nothing else.
func static(path string) error {
	f, err := elf.Open(path)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	defer f.Close()
	if slices.ContainsFunc(f.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP }) {
		return fmt.Errorf("%s: asks for a dynamic loader", path)
	}
	return nil
}

// Scenarios is the images that the scenarios find, by NAME:TAG: busybox:1.36,
// busybox:latest, which differs from it in a label, and nocmd:1, which has no
// command.
func Scenarios(busybox string) (map[string]v1.Image, error) {
	text, err := rootfs(busybox)
	if err != nil {
		return nil, err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(text)), nil
	}, tarball.WithMediaType(types.OCILayer))
	if err != nil {
		return nil, fmt.Errorf("layer: %w", err)
	}
	base := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	filled, err := mutate.AppendLayers(base, layer)
	if err != nil {
		return nil, fmt.Errorf("image: %w", err)
	}
	found := map[string]v1.Image{}
	for name, config := range map[string]v1.Config{
		"nocmd:1":        {},
		"busybox:1.36":   {Cmd: []string{"sh"}},
		"busybox:latest": {Cmd: []string{"sh"}, Labels: map[string]string{"tag": "latest"}},
	} {
		file, err := filled.ConfigFile()
		if err != nil {
			return nil, fmt.Errorf("image %s: %w", name, err)
		}
		file = file.DeepCopy()
		file.OS, file.Architecture, file.Config = "linux", runtime.GOARCH, config
		if found[name], err = mutate.ConfigFile(filled, file); err != nil {
			return nil, fmt.Errorf("image %s: %w", name, err)
		}
	}
	return found, nil
}

// rootfs is a tar of busybox under all the names that it knows, a root user and an
// empty /tmp. The same busybox gives the same bytes.
func rootfs(busybox string) ([]byte, error) {
	program, err := os.ReadFile(busybox)
	if err != nil {
		return nil, err
	}
	applets, err := exec.Command(busybox, "--list").Output()
	if err != nil {
		return nil, fmt.Errorf("%s --list: %w", busybox, err)
	}
	var out bytes.Buffer
	archive := tar.NewWriter(&out)
	put := func(h tar.Header, content string) {
		h.Size = int64(len(content))
		if err == nil {
			err = archive.WriteHeader(&h)
		}
		if err == nil {
			_, err = io.WriteString(archive, content)
		}
	}
	for _, dir := range []tar.Header{{Name: "bin/", Mode: 0o755}, {Name: "etc/", Mode: 0o755}, {Name: "root/", Mode: 0o700}, {Name: "tmp/", Mode: 0o1777}} {
		dir.Typeflag = tar.TypeDir
		put(dir, "")
	}
	put(tar.Header{Name: "bin/busybox", Mode: 0o755, Typeflag: tar.TypeReg}, string(program))
	put(tar.Header{Name: "etc/passwd", Mode: 0o644, Typeflag: tar.TypeReg}, passwd)
	for name := range strings.FieldsSeq(string(applets)) {
		if name != "busybox" {
			put(tar.Header{Name: "bin/" + name, Linkname: "busybox", Mode: 0o777, Typeflag: tar.TypeSymlink}, "")
		}
	}
	if err := errors.Join(err, archive.Close()); err != nil {
		return nil, fmt.Errorf("root file system: %w", err)
	}
	return out.Bytes(), nil
}
