package upstream

import (
	"archive/tar"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	imageutils "k8s.io/kubernetes/test/utils/image"
)

// TestImages looks into the images for what specs find there, with other files in
// the place of those that are built or downloaded.
func TestImages(t *testing.T) {
	dir := t.TempDir()
	parts := Parts{Agnhost: filepath.Join(dir, "built-agnhost"), Nonewprivs: filepath.Join(dir, "built-nnp"), Shell: filepath.Join(dir, "built-sh"), Files: dir}
	for _, file := range []string{"built-agnhost", "built-nnp", "built-sh", "agnhost/porter/localhost.crt", "agnhost/porter/localhost.key", "kitten/html/kitten.jpg", "kitten/html/data.json"} {
		path := filepath.Join(dir, file)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, path, file)
	}
	all, err := Images(parts)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 9 {
		t.Errorf("%d images; want 9", len(all))
	}
	for id, want := range map[imageutils.ImageID]map[string]string{
		imageutils.Agnhost:         {"agnhost": "built-agnhost", "agnhost-2": "-> agnhost", "bin/sh": "built-sh", "bin/bash": "", "bin/ls": "-> busybox", "usr/bin/curl": "", "localhost.key": "agnhost/porter/localhost.key"},
		imageutils.Kitten:          {"agnhost": "built-agnhost", "data.json": "kitten/html/data.json", "etc/os-release": osRelease},
		imageutils.Nonewprivs:      {"usr/local/bin/nnp": "built-nnp"},
		imageutils.GlibcDnsTesting: {"usr/bin/hostname": ""},
		imageutils.Pause:           {"pause": ""},
	} {
		image, found := all[repository(id)]
		if !found {
			t.Errorf("there is no %s", repository(id))
			continue
		}
		files := contents(t, image)
		for name, content := range want {
			if got, found := files[name]; !found || content != "" && got != content {
				t.Errorf("%s: /%s is %q, there: %v; want %q", repository(id), name, got, found, content)
			}
		}
	}
	config, err := all[repository(imageutils.NonRoot)].ConfigFile()
	if err != nil || config.Config.User != "1234" {
		t.Errorf("nonroot: %+v, %v", config, err)
	}
	if err := os.Remove(parts.Nonewprivs); err != nil {
		t.Fatal(err)
	}
	if _, err := Images(parts); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "nonewprivs") {
		t.Errorf("without a program: %v", err)
	}
}

// contents are an image's files, and where its links lead.
func contents(t *testing.T, image v1.Image) map[string]string {
	t.Helper()
	all := mutate.Extract(image)
	defer all.Close()
	found := map[string]string{}
	for files := tar.NewReader(all); ; {
		h, err := files.Next()
		if errors.Is(err, io.EOF) {
			return found
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(files)
		if err != nil {
			t.Fatal(err)
		}
		found[h.Name] = string(text)
		if h.Linkname != "" {
			found[h.Name] = "-> " + h.Linkname
		}
	}
}
