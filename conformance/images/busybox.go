// Package images makes the images that the scenarios name out of this machine's
// static busybox, and serves them from a registry on loopback, so that a pod's pull
// is a real one on a machine without internet.
//
// In a pod's way it stands behind the container runtime, where Docker Hub stands
// otherwise.
package images

import (
	"debug/elf"
	"errors"
	"fmt"
	"os/exec"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
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
	filled, err := rootfs(busybox).Image()
	if err != nil {
		return nil, err
	}
	found := map[string]v1.Image{}
	for name, config := range map[string]v1.Config{
		"nocmd:1":        {},
		"busybox:1.36":   {Cmd: []string{"sh"}},
		"busybox:latest": {Cmd: []string{"sh"}, Labels: map[string]string{"tag": "latest"}},
	} {
		if found[name], err = With(filled, config); err != nil {
			return nil, fmt.Errorf("image %s: %w", name, err)
		}
	}
	return found, nil
}

// rootfs is busybox under all the names that it knows, a root user and an empty
// /tmp.
func rootfs(busybox string) *Tree {
	t := NewTree()
	t.Dir("bin", 0o755)
	t.Dir("etc", 0o755)
	t.Dir("root", 0o700)
	t.Dir("tmp", 0o1777)
	t.File("etc/passwd", 0o644, []byte(passwd))
	t.Busybox(busybox)
	return t
}
