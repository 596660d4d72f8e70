package upstream

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	imageutils "k8s.io/kubernetes/test/utils/image"

	"github.com/podling/podling/conformance/images"
	"github.com/podling/podling/runtime/containerd/pause"
)

// Host is the registry that the suite's images come from.
const Host = "registry.k8s.io"

// osRelease is how upstream's images call themselves: a spec reads it there.
const osRelease = "NAME=\"Alpine Linux\"\nID=alpine\nPRETTY_NAME=\"A stand-in for Alpine Linux, made by podling\"\n"

// Users of agnhost's image, as its Dockerfile adds them: a spec asks which groups
// the second is in.
const (
	passwd = "root:x:0:0:root:/root:/bin/sh\nuser-defined-in-image:x:1000:1000::/tmp:/bin/sh\n"
	group  = "root:x:0:\nuser-defined-in-image:x:1000:\ngroup-defined-in-image:x:50000:user-defined-in-image\n"
)

// Serve runs a registry with the images that the sig-node specs name, in the
// versions of the suite. The function that it returns ends it.
func Serve(ctx context.Context, parts Parts) (images.Registry, func() error, error) {
	all, err := Images(parts)
	if err != nil {
		return images.Registry{}, nil, err
	}
	return images.ServeImages(ctx, all)
}

// Images makes the images that the sig-node specs name, by REPOSITORY:TAG below
// Host: what upstream's Dockerfiles in test/images put into them, as far as the
// specs go.
func Images(parts Parts) (map[string]v1.Image, error) {
	base, err := alpine(parts.Shell)
	if err != nil {
		return nil, err
	}
	found := map[string]v1.Image{}
	put := func(id imageutils.ImageID, on v1.Image, files func(*images.Tree), config v1.Config) {
		if err != nil {
			return
		}
		layer := images.NewTree()
		files(layer)
		image, failed := layer.On(on)
		if failed == nil {
			image, failed = images.With(image, config)
		}
		if failed != nil {
			err = fmt.Errorf("image %s: %w", imageutils.GetE2EImage(id), failed)
		}
		found[repository(id)] = image
	}
	nothing := func(*images.Tree) {}
	put(imageutils.Agnhost, base, func(t *images.Tree) {
		t.Copy("agnhost", 0o755, parts.Agnhost)
		t.Link("agnhost-2", "agnhost")
		t.Dir("uploads", 0o755)
		for _, file := range []string{"localhost.crt", "localhost.key"} {
			t.Copy(file, 0o644, filepath.Join(parts.Files, "agnhost", "porter", file))
		}
	}, v1.Config{Entrypoint: []string{"/agnhost"}, Cmd: []string{"pause"}})
	agnhost := found[repository(imageutils.Agnhost)]
	found[repository(imageutils.AgnhostPrev)] = agnhost
	put(imageutils.Kitten, agnhost, func(t *images.Tree) {
		for _, file := range []string{"kitten.jpg", "data.json"} {
			t.Copy(file, 0o644, filepath.Join(parts.Files, "kitten", "html", file))
		}
	}, v1.Config{Entrypoint: []string{"/agnhost"}, Cmd: []string{"test-webserver"}})
	put(imageutils.Nonewprivs, base, func(t *images.Tree) {
		t.Dir("usr/local", 0o755)
		t.Dir("usr/local/bin", 0o755)
		t.Copy("usr/local/bin/nnp", 0o6755, parts.Nonewprivs)
	}, v1.Config{Cmd: []string{"nnp"}})
	put(imageutils.GlibcDnsTesting, base, func(t *images.Tree) { t.Program("usr/bin", "hostname") }, v1.Config{Cmd: []string{"bash"}})
	put(imageutils.BusyBox, base, nothing, v1.Config{Cmd: []string{"sh"}})
	put(imageutils.Nginx, base, nothing, v1.Config{Cmd: []string{"httpd", "-f", "-p", "80"}})
	put(imageutils.NonRoot, base, nothing, v1.Config{User: "1234", Cmd: []string{"sh"}})
	if err != nil {
		return nil, err
	}
	if found[repository(imageutils.Pause)], err = pause.Image(runtime.GOARCH); err != nil {
		return nil, fmt.Errorf("image %s: %w", imageutils.GetE2EImage(imageutils.Pause), err)
	}
	return found, nil
}

// repository is an image's REPOSITORY:TAG.
func repository(id imageutils.ImageID) string {
	return strings.TrimPrefix(imageutils.GetE2EImage(id), Host+"/")
}

// alpine makes what stands in for the image that upstream's are made from: a shell, the
// usual commands, and curl.
func alpine(shell string) (v1.Image, error) {
	busybox, err := images.Busybox()
	if err != nil {
		return nil, err
	}
	t := images.NewTree()
	for _, dir := range []string{"bin", "etc", "usr", "usr/bin"} {
		t.Dir(dir, 0o755)
	}
	t.Dir("root", 0o700)
	t.Dir("tmp", 0o1777)
	t.File("etc/passwd", 0o644, []byte(passwd))
	t.File("etc/group", 0o644, []byte(group))
	t.File("etc/os-release", 0o644, []byte(osRelease))
	t.Program("bin", "bash")
	t.Program("usr/bin", "curl")
	t.Copy("bin/sh", 0o755, shell)
	t.Busybox(busybox)
	return t.Image()
}
