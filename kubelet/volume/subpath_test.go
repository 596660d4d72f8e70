package volume

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSubPath(t *testing.T) {
	n := newNode(t)
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "host"), 0o750); err != nil {
		t.Fatal(err)
	}
	p := pod(t, "[{name: v, emptyDir: {}}, {name: h, hostPath: {path: "+dir+"/host}}]")
	mounts := &p.Spec.Containers[0].VolumeMounts
	*mounts = append(*mounts, (*mounts)[1])
	paths := n.mount(p)

	// A folder that is missing is made with the volume's mode.
	bound, err := n.SubPath(p, "c", 0, Mounted{Path: paths["v"], Name: "v"}, "a/b")
	if err != nil {
		t.Fatal(err)
	}
	if want := filepath.Join(n.podDir(p.UID), "volume-subpaths/v/c/0"); bound != want {
		t.Errorf("bound at %s, want %s", bound, want)
	}
	if got := owner(t, bound); got != "drwxrwxrwx 0" {
		t.Errorf("the folder is %s", got)
	}
	if err := os.WriteFile(filepath.Join(bound, "data"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := tree(t, paths["v"]); got != "a/b/data 600 x" {
		t.Errorf("the volume holds %q", got)
	}

	// A container that starts again gets the same.
	again, err := n.SubPath(p, "c", 0, Mounted{Path: paths["v"], Name: "v"}, "a/b")
	if err != nil || again != bound {
		t.Errorf("again: %s, %v", again, err)
	}

	// The host's own files stay when the pod goes.
	if err := os.WriteFile(filepath.Join(dir, "host/file"), []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := n.SubPath(p, "c", 1, Mounted{Path: paths["h"], Name: "h"}, "file"); err != nil {
		t.Fatal(err)
	}
	if _, err := n.SubPath(p, "c", 2, Mounted{Path: paths["h"], Name: "h"}, "new"); err != nil {
		t.Fatal(err)
	}
	if err := n.Unmount(t.Context(), p.UID); err != nil {
		t.Fatal(err)
	}
	if got := tree(t, filepath.Join(dir, "host")); got != "file 600 mine" {
		t.Errorf("the host's folder holds %q", got)
	}
	if _, err := os.Stat(filepath.Join(dir, "host/new")); err != nil {
		t.Errorf("a folder of the host's is gone: %v", err)
	}
}

// No way leads out of the volume, and no error tells of the host's files.
func TestSubPathStaysInside(t *testing.T) {
	n := newNode(t)
	p := pod(t, "[{name: v, emptyDir: {}}]")
	path := n.mount(p)["v"]
	outside := t.TempDir()
	if err := os.WriteFile(filepath.Join(outside, "secret"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{"absolute": outside, "relative": "../../../../../..", "file": outside + "/secret"} {
		if err := os.Symlink(target, filepath.Join(path, name)); err != nil {
			t.Fatal(err)
		}
	}
	for sub, want := range map[string]string{
		"/etc":            "error SubPath `/etc` must not be an absolute path",
		"../x":            "unable to provision SubPath `../x`: must not contain '..'",
		"absolute":        `failed to prepare subPath for volumeMount "v" of container "c"`,
		"relative":        `failed to prepare subPath for volumeMount "v" of container "c"`,
		"file":            `failed to prepare subPath for volumeMount "v" of container "c"`,
		"absolute/secret": `failed to prepare subPath for volumeMount "v" of container "c"`,
		"absolute/new":    `failed to create subPath directory for volumeMount "v" of container "c"`,
	} {
		if bound, err := n.SubPath(p, "c", 0, Mounted{Path: path, Name: "v"}, sub); err == nil || err.Error() != want {
			t.Errorf("%s: bound %q, error %v, want %s", sub, bound, err, want)
		}
	}
	if entries, err := os.ReadDir(outside); err != nil || len(entries) != 1 {
		t.Errorf("outside of the volume there is now %v, %v", entries, err)
	}
	if _, err := n.SubPath(p, "other", 0, Mounted{Path: path, Name: "v"}, "x"); err == nil || !strings.Contains(err.Error(), `no container "other"`) {
		t.Errorf("for a container that is not there: %v", err)
	}
}
