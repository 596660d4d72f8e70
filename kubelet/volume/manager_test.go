package volume

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clienttesting "k8s.io/client-go/testing"
)

// A second call with everything mounted asks nobody.
func TestMountAgainIsQuick(t *testing.T) {
	n := newNode(t)
	n.configMap("cm", "a", "1")
	p := pod(t, "[{name: v, configMap: {name: cm}}, {name: w, emptyDir: {}}]")
	first := n.mount(p)
	n.client.ClearActions()
	second := n.mount(p)
	if len(first) != 2 || first["v"] != second["v"] || first["w"] != second["w"] {
		t.Errorf("first %v, then %v", first, second)
	}
	if asked := n.client.Actions(); len(asked) > 0 {
		t.Errorf("a second mount asked %v", asked)
	}
}

// What failed is tried by the next call; each attempt is one Event.
func TestMountAfterFailure(t *testing.T) {
	n := newNode(t)
	p := pod(t, "[{name: v, configMap: {name: cm}}]")
	for range 2 {
		if _, err := n.Mount(t.Context(), p); err == nil {
			t.Fatal("mounted a config map that does not exist")
		}
		want := []string{`Warning FailedMount MountVolume.SetUp failed for volume "v" : configmap "cm" not found`}
		if got := n.takeEvents(); !slices.Equal(got, want) {
			t.Errorf("Events %q, want %q", got, want)
		}
	}
	n.configMap("cm", "a", "1")
	if got := tree(t, n.mount(p)["v"]); got != "a 644 1" {
		t.Errorf("the volume holds %q", got)
	}
}

// A volume that no container mounts is not made, and cannot fail.
func TestUnusedVolume(t *testing.T) {
	n := newNode(t)
	p := pod(t, "[{name: v, configMap: {name: none}}]")
	p.Spec.Containers[0].VolumeMounts = nil
	if paths := n.mount(p); len(paths) != 0 {
		t.Errorf("made %v", paths)
	}
}

// A pod's first volumes can be asked for before the authorizer knows the pod.
func TestMountWaitsForTheAuthorizer(t *testing.T) {
	n := newNode(t)
	n.configMap("cm", "a", "1")
	refusals := 3
	n.client.PrependReactor("get", "configmaps", func(clienttesting.Action) (bool, runtime.Object, error) {
		if refusals--; refusals >= 0 {
			return true, nil, apierrors.NewForbidden(v1.Resource("configmaps"), "cm", errors.New("no relationship found"))
		}
		return false, nil, nil
	})
	n.mount(pod(t, "[{name: v, configMap: {name: cm}}]"))
	if got := n.takeEvents(); len(got) > 0 {
		t.Errorf("Events %q", got)
	}
}

func TestRefresh(t *testing.T) {
	n := newNode(t)
	n.configMap("cm", "a", "1")
	p := pod(t, "[{name: v, configMap: {name: cm}}]")
	path := n.mount(p)["v"]
	update := func(value string) {
		cm := &v1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "cm"}, Data: map[string]string{"b": value}}
		if err := n.client.Tracker().Update(v1.SchemeGroupVersion.WithResource("configmaps"), cm, "ns"); err != nil {
			t.Fatal(err)
		}
	}
	update("2")
	n.refresh(t.Context())
	if got := tree(t, path); got != "b 644 2" {
		t.Errorf("the volume holds %q", got)
	}

	// Without its config map the volume stays as it is, and an Event says why.
	if err := n.client.Tracker().Delete(v1.SchemeGroupVersion.WithResource("configmaps"), "ns", "cm"); err != nil {
		t.Fatal(err)
	}
	n.refresh(t.Context())
	want := []string{`Warning FailedMount MountVolume.SetUp failed for volume "v" : configmap "cm" not found`}
	if got := n.takeEvents(); !slices.Equal(got, want) {
		t.Errorf("Events %q, want %q", got, want)
	}
	if got := tree(t, path); got != "b 644 2" {
		t.Errorf("the volume holds %q", got)
	}

	// A pod that is gone is not brought back.
	if err := n.Unmount(t.Context(), p.UID); err != nil {
		t.Fatal(err)
	}
	n.refresh(t.Context())
	if _, err := os.Stat(n.podDir(p.UID)); !os.IsNotExist(err) {
		t.Errorf("the pod's folder came back: %v", err)
	}
}

// A round of refreshing asks once for what several pods share.
func TestRefreshAsksOnce(t *testing.T) {
	n := newNode(t)
	n.configMap("cm", "a", "1")
	for _, uid := range []types.UID{"1", "2", "3"} {
		p := pod(t, "[{name: v, configMap: {name: cm}}]")
		p.UID = uid
		n.mount(p)
	}
	n.client.ClearActions()
	n.refresh(t.Context())
	if asked := n.client.Actions(); len(asked) != 1 {
		t.Errorf("asked %v, want one get", asked)
	}
}

// Labels that change are seen by the next mount of the pod.
func TestDownwardFollowsThePod(t *testing.T) {
	n := newNode(t)
	p := pod(t, `[{name: v, downwardAPI: {items: [{path: labels, fieldRef: {fieldPath: metadata.labels}}]}}]`)
	n.mount(p)
	p = p.DeepCopy()
	p.Labels = map[string]string{"app": "y"}
	if got := tree(t, n.mount(p)["v"]); got != `labels 644 app="y"` {
		t.Errorf("the volume holds %q", got)
	}
}

func TestHostPath(t *testing.T) {
	n := newNode(t)
	dir := t.TempDir()
	p := pod(t, `
- {name: unset, hostPath: {path: `+dir+`/none}}
- {name: dir, hostPath: {path: `+dir+`/dir, type: DirectoryOrCreate}}
- {name: file, hostPath: {path: `+dir+`/file, type: FileOrCreate}}
`)
	paths := n.mount(p)
	if paths["unset"] != dir+"/none" || paths["dir"] != dir+"/dir" || paths["file"] != dir+"/file" {
		t.Errorf("paths %v", paths)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 || !entries[0].IsDir() || entries[1].IsDir() {
		t.Errorf("made %v, %v", entries, err)
	}
	if err := n.Unmount(t.Context(), p.UID); err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 2 {
		t.Errorf("unmounting left %v, %v", entries, err)
	}
}

// Containers may write to what upstream's plugins let them.
func TestReadOnly(t *testing.T) {
	n := newNode(t, &v1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "cm"}}, &v1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "s"}})
	p := pod(t, `
- {name: empty, emptyDir: {}}
- {name: host, hostPath: {path: /tmp}}
- {name: cm, configMap: {name: cm, defaultMode: 420}}
- {name: secret, secret: {secretName: s, defaultMode: 420}}
- {name: projected, projected: {sources: [], defaultMode: 420}}
- {name: downward, downwardAPI: {items: [], defaultMode: 420}}
`)
	volumes, err := n.Mount(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	for name, v := range volumes {
		if want := name != "empty" && name != "host"; v.ReadOnly != want {
			t.Errorf("volume %s read-only %v", name, v.ReadOnly)
		}
	}
}

// A folder that cannot be made is an Event of its own.
func TestNoPlaceForThePod(t *testing.T) {
	n := newNode(t)
	if err := os.WriteFile(filepath.Join(n.root, "pods"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := n.Mount(t.Context(), pod(t, "[{name: v, emptyDir: {}}]"))
	if err == nil || !strings.HasPrefix(err.Error(), "error making pod data directories: ") {
		t.Errorf("error %v", err)
	}
	if got := n.takeEvents(); len(got) != 1 || !strings.HasPrefix(got[0], "Warning Failed error making pod data directories: ") {
		t.Errorf("Events %q", got)
	}
}

func TestOrphans(t *testing.T) {
	n := newNode(t)
	if none := n.Orphans(func(types.UID) bool { return false }); len(none) > 0 {
		t.Errorf("before any pod: %v", none)
	}
	for _, uid := range []types.UID{"a", "b"} {
		p := pod(t, "[{name: v, emptyDir: {}}]")
		p.UID = uid
		n.mount(p)
	}
	if got := n.Orphans(func(uid types.UID) bool { return uid == "a" }); !slices.Equal(got, []types.UID{"b"}) {
		t.Errorf("orphans %v, want b", got)
	}
}

func TestUIDsThatAreNoNames(t *testing.T) {
	n := newNode(t)
	for _, uid := range []types.UID{"", ".", "..", "../x", "a/b"} {
		p := pod(t, "[]")
		p.UID = uid
		if _, err := n.Mount(t.Context(), p); err == nil || !strings.Contains(err.Error(), "cannot be the name of a folder") {
			t.Errorf("mounting for UID %q: %v", uid, err)
		}
		if err := n.Unmount(t.Context(), uid); err == nil {
			t.Errorf("unmounted UID %q", uid)
		}
	}
}

// TestAtOnce mounts, refreshes and unmounts one pod from many sides: in the end
// it is gone, for good.
func TestAtOnce(t *testing.T) {
	n := newNode(t)
	n.configMap("cm", "a", "1")
	p := pod(t, "[{name: v, configMap: {name: cm}}, {name: w, emptyDir: {medium: Memory}}]")
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 20 {
				if _, err := n.Mount(t.Context(), p); err != nil {
					t.Error(err)
				}
			}
		})
		all.Go(func() {
			for range 20 {
				n.refresh(t.Context())
			}
		})
		all.Go(func() {
			for range 20 {
				if err := n.Unmount(t.Context(), p.UID); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if err := n.Unmount(t.Context(), p.UID); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(filepath.Join(n.root, "pods"))
	if err != nil || len(left) > 0 {
		t.Errorf("left %v, %v", left, err)
	}
	if len(n.pods) > 0 {
		t.Errorf("still known: %v", n.pods)
	}
}
