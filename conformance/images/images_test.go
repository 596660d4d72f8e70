package images

import (
	"archive/tar"
	"errors"
	"io"
	"net/http"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// TestServe pulls each image as a runtime would.
func TestServe(t *testing.T) {
	r, stop, err := Serve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ids := map[v1.Hash]string{}
	for name, command := range map[string]int{"busybox:1.36": 1, "busybox:latest": 1, "nocmd:1": 0} {
		image := pull(t, r, name)
		config, err := image.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		if len(config.Config.Cmd) != command || len(config.Config.Entrypoint) != 0 {
			t.Errorf("%s runs %q %q", name, config.Config.Entrypoint, config.Config.Cmd)
		}
		id, err := image.ConfigName()
		if err != nil {
			t.Fatal(err)
		}
		if other, taken := ids[id]; taken {
			t.Errorf("%s and %s are the same image", name, other)
		}
		ids[id] = name
	}
	found := map[string]byte{}
	content := mutate.Extract(pull(t, r, "busybox:1.36"))
	defer content.Close()
	for files := tar.NewReader(content); ; {
		h, err := files.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		found[h.Name] = h.Typeflag
	}
	for name, kind := range map[string]byte{"bin/busybox": tar.TypeReg, "bin/sh": tar.TypeSymlink, "bin/sleep": tar.TypeSymlink, "tmp": tar.TypeDir} {
		if found[name] != kind && found[name+"/"] != kind {
			t.Errorf("%s is of type %q; want %q", name, found[name], kind)
		}
	}

	missing, err := r.reference(library + "later:1")
	if err != nil {
		t.Fatal(err)
	}
	var refused *transport.Error
	if _, err := remote.Image(missing); !errors.As(err, &refused) || refused.StatusCode != http.StatusNotFound {
		t.Errorf("an image that was not pushed: %v; want 404", err)
	}
	if err := r.Push(t.Context(), "later:1"); err != nil {
		t.Fatal(err)
	}
	pull(t, r, "later:1")
	if err := r.Push(t.Context(), "Not A Name"); err == nil {
		t.Error("no error for a name that is none")
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	if _, err := http.Get("http://" + r.Addr + "/v2/"); err == nil {
		t.Error("the registry answers after it was stopped")
	}
}

func pull(t *testing.T, r Registry, image string) v1.Image {
	t.Helper()
	reference, err := r.reference(library + image)
	if err != nil {
		t.Fatal(err)
	}
	content, err := remote.Image(reference)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// TestStatic: only a program that needs no libraries will do.
func TestStatic(t *testing.T) {
	for _, path := range []string{"/no/such/busybox", "images_test.go"} {
		if err := static(path); err == nil {
			t.Errorf("%s is taken for a static program", path)
		}
	}
}

// TestTree: what is added first stays, libraries come along, and nothing is lost in silence.
func TestTree(t *testing.T) {
	tree := NewTree()
	tree.Dir("bin", 0o755)
	tree.File("bin/ls", 0o755, []byte("first"))
	tree.Link("bin/ls", "busybox")
	tree.Program("bin", "tar")
	image, err := tree.Image()
	if err != nil {
		t.Fatal(err)
	}
	content := mutate.Extract(image)
	defer content.Close()
	sizes := map[string]int64{}
	for files := tar.NewReader(content); ; {
		h, err := files.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, twice := sizes[h.Name]; twice {
			t.Errorf("%s is there twice", h.Name)
		}
		sizes[h.Name] = h.Size
	}
	if sizes["bin/ls"] != 5 || sizes["bin/tar"] == 0 || len(sizes) < 4 { // with a loader and the C library
		t.Errorf("the image has %v", sizes)
	}
	for what, add := range map[string]func(*Tree){
		"no such file":    func(tree *Tree) { tree.Copy("x", 0o644, "/no/such/file") },
		"no such program": func(tree *Tree) { tree.Program("bin", "no-such-program") },
		"no busybox":      func(tree *Tree) { tree.Busybox("images_test.go") },
	} {
		tree := NewTree()
		add(tree)
		if _, err := tree.Image(); err == nil {
			t.Errorf("%s, and an image all the same", what)
		}
	}
}
