package userns

import (
	"os"
	"path/filepath"
	"testing"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// pod has a folder below root and wants, or does not want, users of its own.
func pod(t *testing.T, root, uid string, hostUsers *bool) *v1.Pod {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(root, "pods", uid), 0o750); err != nil {
		t.Fatal(err)
	}
	return &v1.Pod{ObjectMeta: metav1.ObjectMeta{UID: types.UID(uid)}, Spec: v1.PodSpec{HostUsers: hostUsers}}
}

// ranges begins as a node does when it starts.
func ranges(t *testing.T, root string, supported bool) *Ranges {
	t.Helper()
	r, err := New(root, 110, func(string) (bool, error) { return supported, nil })
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// first is the first of the machine's IDs that the pod got; 0 for the machine's own.
func first(t *testing.T, r *Ranges, pod *v1.Pod) uint32 {
	t.Helper()
	users, err := r.Of(pod, "")
	if err != nil {
		t.Fatal(err)
	}
	if users.Mode == runtimeapi.NamespaceMode_NODE {
		return 0
	}
	if len(users.Uids) != 1 || len(users.Gids) != 1 || users.Uids[0].ContainerId != 0 || users.Uids[0].Length != 65536 || users.Uids[0].HostId != users.Gids[0].HostId {
		t.Fatalf("mapping %v", users)
	}
	return users.Uids[0].HostId
}

func TestRanges(t *testing.T) {
	root, own, machines := t.TempDir(), false, true
	r := ranges(t, root, true)
	a, b := pod(t, root, "a", &own), pod(t, root, "b", &own)
	if n := first(t, r, pod(t, root, "c", nil)); n != 0 {
		t.Errorf("a pod that does not ask got %d", n)
	}
	if n := first(t, r, pod(t, root, "d", &machines)); n != 0 {
		t.Errorf("a pod that wants the machine's users got %d", n)
	}
	of := first(t, r, a)
	if of < 65536 || of == first(t, r, b) {
		t.Errorf("the pods got %d and %d", of, first(t, r, b))
	}
	// A node that starts again knows its pods' ranges.
	r = ranges(t, root, true)
	if again := first(t, r, a); again != of {
		t.Errorf("the pod got %d, after a restart %d", of, again)
	}
	r.Release(t.Context(), a.UID)
	if n := first(t, r, pod(t, root, "e", &own)); n == first(t, r, b) {
		t.Errorf("a third pod got the second's %d", n)
	}
}

func TestNoUserNamespaces(t *testing.T) {
	root, own := t.TempDir(), false
	_, err := ranges(t, root, false).Of(pod(t, root, "a", &own), "")
	if err == nil || err.Error() != "can't set `spec.hostUsers: false`, runtime does not support user namespaces" {
		t.Errorf("error %v", err)
	}
}
