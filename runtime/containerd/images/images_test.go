package images

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

func image(t *testing.T) v1.Image {
	t.Helper()
	img, err := random.Image(3000, 2)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// compressed is an image with a gzipped layer; image's are plain.
func compressed(t *testing.T) v1.Image {
	t.Helper()
	var b bytes.Buffer
	tw := tar.NewWriter(&b)
	if err := tw.WriteHeader(&tar.Header{Name: "file", Size: 3}); err != nil {
		t.Fatal(err)
	}
	if _, err := tw.Write([]byte("abc")); err != nil {
		t.Fatal(err)
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil })
	if err != nil {
		t.Fatal(err)
	}
	img, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// dockerArchive writes what `docker save` would.
func dockerArchive(t *testing.T, images map[string]v1.Image) string {
	t.Helper()
	tags := map[name.Tag]v1.Image{}
	for n, img := range images {
		tag, err := name.NewTag(n)
		if err != nil {
			t.Fatal(err)
		}
		tags[tag] = img
	}
	file := filepath.Join(t.TempDir(), "docker.tar")
	if err := tarball.MultiWriteToFile(file, tags); err != nil {
		t.Fatal(err)
	}
	return file
}

// layoutFolder writes an OCI layout, its images named by annotation.
func layoutFolder(t *testing.T, annotation string, images map[string]mutate.Appendable) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "layout")
	index := v1.ImageIndex(empty.Index)
	for n, img := range images {
		add := mutate.IndexAddendum{Add: img}
		if annotation != "" {
			add.Annotations = map[string]string{annotation: n}
		}
		index = mutate.AppendManifests(index, add)
	}
	if _, err := layout.Write(dir, index); err != nil {
		t.Fatal(err)
	}
	return dir
}

// archiveOf packs a folder, as skopeo's oci-archive does.
func archiveOf(t *testing.T, dir string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "oci.tar")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	tw := tar.NewWriter(f)
	if err := tw.AddFS(os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []io.Closer{tw, f} {
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return file
}

// puller loads archives and returns a function that pulls as containerd does
// from a mirror: the registry that is meant in ?ns=.
func puller(t *testing.T, paths ...string) func(host, ref string) (v1.Image, error) {
	t.Helper()
	set, err := Load(paths...)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(set)
	t.Cleanup(server.Close)
	at := strings.TrimPrefix(server.URL, "http://")
	return func(host, ref string) (v1.Image, error) {
		r, err := name.ParseReference(at + "/" + ref)
		if err != nil {
			t.Fatal(err)
		}
		transport := addNS{host}
		return remote.Image(r, remote.WithContext(t.Context()), remote.WithTransport(transport))
	}
}

func TestServesWhatItLoads(t *testing.T) {
	a, b := image(t), compressed(t)
	layoutOf := func(annotation string) string {
		return layoutFolder(t, annotation, map[string]mutate.Appendable{"docker.io/library/a:1": a, "quay.io/team/b:2": b})
	}
	list := mutate.AppendManifests(empty.Index, mutate.IndexAddendum{
		Add:        a,
		Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "amd64"}},
	}, mutate.IndexAddendum{
		Add:        b,
		Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "arm64"}},
	})
	platforms := layoutFolder(t, refName, map[string]mutate.Appendable{"docker.io/library/a:1": list, "quay.io/team/b:2": b})
	for _, test := range []struct{ name, path string }{
		{"docker archive", dockerArchive(t, map[string]v1.Image{"a:1": a, "quay.io/team/b:2": b})},
		{"layout folder", layoutOf(refName)},
		{"layout folder, containerd's annotation", layoutOf(containerdName)},
		{"layout archive", archiveOf(t, layoutOf(refName))},
		{"an image for two platforms", platforms},
	} {
		t.Run(test.name, func(t *testing.T) {
			pull := puller(t, test.path)
			for ref, want := range map[string]v1.Image{"library/a:1": a, "team/b:2": b} {
				host := map[bool]string{true: "docker.io", false: "quay.io"}[want == a]
				got, err := pull(host, ref)
				if err != nil {
					t.Fatalf("%s/%s: %v", host, ref, err)
				}
				if err := validate.Image(got); err != nil {
					t.Errorf("%s/%s: %v", host, ref, err)
				}
				if is, wanted := configName(t, got), configName(t, want); is != wanted {
					t.Errorf("%s/%s: image %v, want %v", host, ref, is, wanted)
				}
			}
			for host, ref := range map[string]string{"docker.io": "team/b:2", "quay.io": "team/b:1", "ghcr.io": "library/a:1"} {
				if _, err := pull(host, ref); err == nil || !strings.Contains(err.Error(), "404") && !strings.Contains(err.Error(), "MANIFEST_UNKNOWN") {
					t.Errorf("%s/%s, which is in no archive: %v, want not found", host, ref, err)
				}
			}
		})
	}
}

func TestNamesAndHosts(t *testing.T) {
	set, err := Load(dockerArchive(t, map[string]v1.Image{"a:1": image(t), "quay.io/team/b:2": image(t), "localhost:5000/c": image(t)}))
	if err != nil {
		t.Fatal(err)
	}
	if err := set.Add("podling.local/d:1", image(t)); err != nil {
		t.Fatal(err)
	}
	if got, want := set.Hosts(), []string{"docker.io", "localhost:5000", "podling.local", "quay.io"}; !slices.Equal(got, want) {
		t.Errorf("hosts %v, want %v", got, want)
	}
}

func TestRefusesBrokenArchives(t *testing.T) {
	img := image(t)
	whole := dockerArchive(t, map[string]v1.Image{"a:1": img})
	content, err := os.ReadFile(whole)
	if err != nil {
		t.Fatal(err)
	}
	write := func(b []byte) string {
		file := filepath.Join(t.TempDir(), "x.tar")
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	var packed bytes.Buffer
	zw := gzip.NewWriter(&packed)
	if _, err := zw.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	without := func(dir, file string) string {
		if err := os.Remove(filepath.Join(dir, file)); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	digest, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	layoutOf := func() string { return layoutFolder(t, refName, map[string]mutate.Appendable{"a:1": img}) }

	for _, test := range []struct{ name, path, want string }{
		{"missing", filepath.Join(t.TempDir(), "nowhere.tar"), "no such file or directory"},
		{"empty", write(nil), "is no image archive"},
		{"not an archive", write([]byte("apiVersion: v1\nkind: Pod\n" + strings.Repeat("#", 600))), "is no image archive"},
		{"compressed", write(packed.Bytes()), "is compressed; unpack it with gunzip"},
		{"cut in a file", write(content[:len(content)/2]), "is cut short"},
		{"cut in a header", write(content[:700]), "is cut short"},
		{"an archive of something else", archiveOf(t, t.TempDir()), "has neither index.json nor manifest.json"},
		{"no names", layoutFolder(t, "", map[string]mutate.Appendable{"": img}), "holds images without a name"},
		{"a tag alone", layoutFolder(t, refName, map[string]mutate.Appendable{"1.36": img}), "holds images without a name"},
		{"a folder of something else", t.TempDir(), "has no index.json"},
		{"a manifest missing", without(layoutOf(), "blobs/sha256/"+digest.Hex), "lacks blobs/sha256/" + digest.Hex},
		{"a layer missing", without(layoutOf(), "blobs/sha256/"+layerDigest(t, img).Hex), "lacks blobs/sha256/" + layerDigest(t, img).Hex},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := Load(test.path)
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), test.path) {
				t.Errorf("error %v, want one that names %s and says %q", err, test.path, test.want)
			}
		})
	}
	t.Run("two images of one name", func(t *testing.T) {
		other := dockerArchive(t, map[string]v1.Image{"docker.io/library/a:1": image(t)})
		_, err := Load(whole, other)
		if err == nil || !strings.Contains(err.Error(), "docker.io/library/a:1") || !strings.Contains(err.Error(), whole) || !strings.Contains(err.Error(), other) {
			t.Errorf("error %v, want one that names the image and both files", err)
		}
	})
}

// addNS is containerd's way to ask a mirror.
type addNS struct{ host string }

func (a addNS) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.URL.RawQuery = url.Values{"ns": {a.host}}.Encode()
	return http.DefaultTransport.RoundTrip(r)
}

func configName(t *testing.T, img v1.Image) v1.Hash {
	t.Helper()
	h, err := img.ConfigName()
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func layerDigest(t *testing.T, img v1.Image) v1.Hash {
	t.Helper()
	m, err := img.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	return m.Layers[0].Digest
}
