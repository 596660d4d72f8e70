package volume

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// treasure is a folder of the host's that no pod was given: what it holds, whose it is.
func treasure(t *testing.T) (dir string, untouched func()) {
	t.Helper()
	dir = t.TempDir()
	file := filepath.Join(dir, "secret")
	if err := os.WriteFile(file, []byte("the host's"), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir, func() {
		t.Helper()
		if got := tree(t, dir); got != "secret 600 the host's" {
			t.Errorf("the host's folder holds %q", got)
		}
		if got := owner(t, file); got != "-rw------- 0" {
			t.Errorf("the host's file is %s", got)
		}
	}
}

// A subPath that a container swaps for a link to the host's files while it is mounted leads nowhere else
// (CVE-2017-1002101, and CVE-2021-25741, the race).
func TestSubPathSwapped(t *testing.T) {
	n := newNode(t)
	p := pod(t, "[{name: v, emptyDir: {}}]")
	volume := n.mount(p)["v"]
	outside, untouched := treasure(t)
	inside, link := filepath.Join(volume, "sub"), filepath.Join(volume, "link")
	if err := os.Mkdir(inside, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(inside, "own"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, link); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var swapping sync.WaitGroup
	swapping.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			if err := unix.Renameat2(unix.AT_FDCWD, inside, unix.AT_FDCWD, link, unix.RENAME_EXCHANGE); err != nil {
				t.Error(err)
				return
			}
		}
	})
	bound, refused := 0, 0
	for range 5000 {
		if bound > 2 && refused > 2 && bound+refused >= 150 {
			break
		}
		path, err := n.SubPath(p, "c", 0, Mounted{Path: volume, Name: "v"}, "sub")
		if err != nil {
			refused++
			continue
		}
		bound++
		if _, err := os.Stat(filepath.Join(path, "own")); err != nil {
			t.Errorf("bound to something else: %v", err)
		}
		if err := unix.Unmount(path, unix.MNT_DETACH); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	swapping.Wait()
	if bound == 0 || refused == 0 {
		t.Errorf("%d times bound, %d times refused: it was no race", bound, refused)
	}
	untouched()
}

// Links that a container leaves in its volumes are neither followed when these are given to a group, nor when
// they are removed.
func TestLinksInEmptyDir(t *testing.T) {
	n := newNode(t)
	outside, untouched := treasure(t)
	p := pod(t, "[{name: disk, emptyDir: {}}, {name: memory, emptyDir: {medium: Memory}}]")
	paths := n.mount(p)
	for _, path := range paths {
		for name, target := range map[string]string{"folder": outside, "file": filepath.Join(outside, "secret"), "up": "../../../../../../../../" + outside} {
			if err := os.Symlink(target, filepath.Join(path, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	p.Spec.SecurityContext = &v1.PodSecurityContext{FSGroup: new(int64(2000))}
	if _, err := n.manager(n.root).Mount(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	untouched()
	if err := n.Unmount(t.Context(), p.UID); err != nil {
		t.Fatal(err)
	}
	untouched()
}

// Contents go into a volume even where a container has put a link in the place of what the node keeps there
// (CVE-2017-1002102): not into what the link leads to. The mount that containers get is read-only besides.
func TestLinksInContents(t *testing.T) {
	outside, untouched := treasure(t)
	secret := &v1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "s"}, Data: map[string][]byte{"secret": []byte("the pod's")}}
	n := newNode(t, secret)
	p := pod(t, "[{name: v, secret: {secretName: s}}]")
	mounted, err := n.Mount(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	if !mounted["v"].ReadOnly {
		t.Error("containers may write to it")
	}
	path := mounted["v"].Path
	var fs unix.Statfs_t
	if err := unix.Statfs(path, &fs); err != nil || fs.Type != unix.TMPFS_MAGIC {
		t.Errorf("a Secret lies on a file system of type %x, %v: not in memory alone", fs.Type, err)
	}
	for _, name := range []string{"..data", "secret"} {
		if err := os.Remove(filepath.Join(path, name)); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(outside, filepath.Join(path, name)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := n.manager(n.root).Mount(t.Context(), p); err != nil {
		t.Logf("refused: %v", err)
	}
	untouched()
	if err := n.Unmount(t.Context(), p.UID); err != nil {
		t.Fatal(err)
	}
	untouched()
}

// A volume of a repository, whose hooks would run as root on the node (CVE-2024-10220), is none that there is.
func TestNoRepositories(t *testing.T) {
	n := newNode(t)
	p := pod(t, "[{name: v, gitRepo: {repository: /nowhere, directory: ../../x}}]")
	if paths, err := n.Mount(t.Context(), p); err == nil {
		t.Errorf("mounted: %v", paths)
	}
}
