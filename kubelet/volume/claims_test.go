package volume

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
)

// disk is a claim named c, bound to a folder of the machine's with one file in it.
func disk(t *testing.T) (folder string, claim *v1.PersistentVolumeClaim, pv *v1.PersistentVolume) {
	t.Helper()
	folder = t.TempDir()
	size := v1.ResourceList{v1.ResourceStorage: resource.MustParse("1Gi")}
	if err := os.WriteFile(filepath.Join(folder, "data"), []byte("kept"), 0o640); err != nil {
		t.Fatal(err)
	}
	claim = &v1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "c", UID: "claim"},
		Spec:       v1.PersistentVolumeClaimSpec{VolumeName: "pv"},
		Status:     v1.PersistentVolumeClaimStatus{Phase: v1.ClaimBound, Capacity: size},
	}
	files := v1.PersistentVolumeFilesystem
	pv = &v1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: "pv", Annotations: map[string]string{"pv.beta.kubernetes.io/gid": "1234"}},
		Spec: v1.PersistentVolumeSpec{
			PersistentVolumeSource: v1.PersistentVolumeSource{Local: &v1.LocalVolumeSource{Path: folder}},
			AccessModes:            []v1.PersistentVolumeAccessMode{v1.ReadWriteOncePod},
			VolumeMode:             &files,
			ClaimRef:               &v1.ObjectReference{Namespace: "ns", Name: "c", UID: "claim"},
			Capacity:               size,
			NodeAffinity: &v1.VolumeNodeAffinity{Required: &v1.NodeSelector{NodeSelectorTerms: []v1.NodeSelectorTerm{{
				MatchFields: []v1.NodeSelectorRequirement{{Key: "metadata.name", Operator: v1.NodeSelectorOpIn, Values: []string{"n"}}},
			}}}},
		},
	}
	return folder, claim, pv
}

const claimed = "[{name: v, persistentVolumeClaim: {claimName: c}}]"

// A claim's volume is there, and goes without what is in it, also when the node
// that mounted it is not the one that takes it away.
func TestClaim(t *testing.T) {
	folder, claim, pv := disk(t)
	n := newNode(t, claim, pv)
	for _, restarted := range []bool{false, true} {
		p := pod(t, claimed)
		volumes, err := n.Mount(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		v := volumes["v"]
		if got := tree(t, v.Path); got != "data 640 kept" {
			t.Errorf("the volume holds %q", got)
		}
		if v.Name != "pv" || v.ReadOnly || v.Group == nil || *v.Group != 1234 {
			t.Errorf("the volume is %+v", v)
		}
		after := n.Manager
		if restarted {
			after = n.manager(n.root)
		}
		if err := after.Unmount(t.Context(), p.UID); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(filepath.Join(n.root, "pods", string(p.UID))); !os.IsNotExist(err) {
			t.Errorf("the pod's folder: %v", err)
		}
		if got := tree(t, folder); got != "data 640 kept" {
			t.Errorf("afterwards the disk holds %q", got)
		}
	}
}

// A disk that one pod alone may have is not given to a second, until it is free.
func TestClaimOfOnePod(t *testing.T) {
	_, claim, pv := disk(t)
	n := newNode(t, claim, pv)
	first, second := pod(t, claimed), pod(t, claimed)
	second.UID = "second"
	n.mount(first)
	want := `MountVolume.SetUp failed for volume "pv" : volume uses the ReadWriteOncePod access mode and is already in use by another pod`
	if _, err := n.Mount(t.Context(), second); err == nil || err.Error() != want {
		t.Errorf("a second pod: %v", err)
	}
	if got := strings.Join(n.takeEvents(), "; "); got != "Warning FailedMount "+want {
		t.Errorf("Events %q", got)
	}
	if err := n.Unmount(t.Context(), first.UID); err != nil {
		t.Fatal(err)
	}
	n.mount(second)
	for _, uid := range []types.UID{second.UID, first.UID} { // taking away what is gone is no error
		if err := n.Unmount(t.Context(), uid); err != nil {
			t.Fatal(err)
		}
	}
}

func TestClaimRefused(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*v1.PersistentVolumeClaim, *v1.PersistentVolume)
		want   string
	}{
		"pending":  {func(c *v1.PersistentVolumeClaim, _ *v1.PersistentVolume) { c.Status.Phase = v1.ClaimPending }, "error processing PVC ns/c: PVC is not bound"},
		"no name":  {func(c *v1.PersistentVolumeClaim, _ *v1.PersistentVolume) { c.Spec.VolumeName = "" }, "error processing PVC ns/c: PVC has empty pvc.Spec.VolumeName"},
		"no disk":  {func(c *v1.PersistentVolumeClaim, _ *v1.PersistentVolume) { c.Spec.VolumeName = "x" }, `error processing PVC ns/c: failed to fetch PV x from API server: persistentvolumes "x" not found`},
		"one side": {func(_ *v1.PersistentVolumeClaim, v *v1.PersistentVolume) { v.Spec.ClaimRef = nil }, "error processing PVC ns/c: found PV object pv but it has a nil pv.Spec.ClaimRef indicating it is not yet bound to the claim"},
		"another": {func(_ *v1.PersistentVolumeClaim, v *v1.PersistentVolume) { v.Spec.ClaimRef.UID = "old" },
			"error processing PVC ns/c: found PV object pv but its pv.Spec.ClaimRef.UID old does not point to claim.UID claim"},
		"block": {func(_ *v1.PersistentVolumeClaim, v *v1.PersistentVolume) {
			block := v1.PersistentVolumeBlock
			v.Spec.VolumeMode = &block
		}, "volume v has volumeMode Block, but is specified in volumeMounts"},
	} {
		t.Run(name, func(t *testing.T) {
			_, claim, pv := disk(t)
			c.change(claim, pv)
			n := newNode(t, []runtime.Object{claim, pv}...)
			_, err := n.Mount(t.Context(), pod(t, claimed))
			if err == nil || !strings.HasSuffix(err.Error(), "failed to process volumes=[v]: "+c.want) {
				t.Errorf("error %v", err)
			}
			if got := strings.Join(n.takeEvents(), "; "); !strings.HasPrefix(got, "Warning FailedMount Unable to attach or mount volumes: unmounted volumes=[v], ") || !strings.HasSuffix(got, c.want) {
				t.Errorf("Events %q", got)
			}
		})
	}
}

// A block device that is not there is told of, and nothing of it is left.
func TestBlockRefused(t *testing.T) {
	folder, claim, pv := disk(t)
	block := v1.PersistentVolumeBlock
	pv.Spec.VolumeMode, pv.Spec.Local.Path = &block, filepath.Join(folder, "none")
	n := newNode(t, claim, pv)
	p := pod(t, claimed)
	c := &p.Spec.Containers[0]
	c.VolumeMounts, c.VolumeDevices = nil, []v1.VolumeDevice{{Name: "v", DevicePath: "/dev/v"}}
	if _, err := n.Mount(t.Context(), p); err == nil {
		t.Error("a device that is not there was mapped")
	}
	if got := strings.Join(n.takeEvents(), "; "); !strings.HasPrefix(got, `Warning FailedMapVolume MapVolume.`) {
		t.Errorf("Events %q", got)
	}
	if err := n.Unmount(t.Context(), p.UID); err != nil {
		t.Fatal(err)
	}
}
