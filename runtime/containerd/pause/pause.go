// Package pause makes the image of a pod sandbox's first process: a static
// program of some two hundred bytes, written here instruction by instruction,
// so that podling needs no registry for it.
//
// The process holds the pod's namespaces open. It ends on SIGTERM and SIGINT,
// and in a pod with shareProcessNamespace, where it is the first process of
// all containers, it lets the kernel reap the orphans it inherits.
package pause

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// Name is the image's name. No registry of the outside world can hold it:
// podling's embedded one serves it.
const Name = "podling.local/pause:1"

// Image is the sandbox image for arch, in Go's words (amd64, arm64).
func Image(arch string) (v1.Image, error) {
	program, err := Program(arch)
	if err != nil {
		return nil, err
	}
	var layer bytes.Buffer
	tw := tar.NewWriter(&layer)
	if err := tw.WriteHeader(&tar.Header{Name: "pause", Mode: 0o555, Size: int64(len(program))}); err != nil {
		return nil, err
	}
	if _, err := tw.Write(program); err != nil {
		return nil, err
	}
	if err := tw.Close(); err != nil {
		return nil, err
	}
	files, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(layer.Bytes())), nil
	})
	if err != nil {
		return nil, err
	}
	img, err := mutate.AppendLayers(empty.Image, files)
	if err != nil {
		return nil, err
	}
	config, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", arch
	// Upstream's pause image runs as the same user: one that owns nothing.
	config.Config = v1.Config{Entrypoint: []string{"/pause"}, User: "65535:65535"}
	return mutate.ConfigFile(img, config)
}

// Program is the static executable for arch.
func Program(arch string) ([]byte, error) {
	switch arch {
	case "amd64":
		return executable(machineAMD64, codeAMD64), nil
	case "arm64":
		return executable(machineARM64, codeARM64), nil
	}
	return nil, fmt.Errorf("no pause program for %s: podling's containers run on amd64 and arm64", arch)
}
