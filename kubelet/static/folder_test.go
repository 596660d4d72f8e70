package static

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kubetypes "k8s.io/kubernetes/pkg/kubelet/types"
)

const busybox = `containers: [{name: c, image: busybox}]`

// desk is who is told of a folder's pods.
type desk struct {
	folder   *Folder
	dir      string
	now      time.Time
	pods     []*v1.Pod
	problems []string
}

func newDesk(t *testing.T) *desk {
	d := &desk{dir: t.TempDir(), now: time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)}
	d.folder = NewFolder(d.dir, "node1", func(pods []*v1.Pod) { d.pods = pods }, func(problem error) {
		d.problems = append(d.problems, strings.ReplaceAll(problem.Error(), d.dir+"/", ""))
	})
	return d
}

// read gives the pods' names after another reading.
func (d *desk) read() []string {
	d.folder.Read(d.now)
	var names []string
	for _, pod := range d.pods {
		names = append(names, pod.Name)
	}
	return names
}

func (d *desk) remove(t *testing.T, name string) {
	t.Helper()
	if err := os.Remove(filepath.Join(d.dir, name)); err != nil {
		t.Fatal(err)
	}
}

// TestProblems is about what is said of a manifest: which file, which line where
// that can be told, which field, which value.
func TestProblems(t *testing.T) {
	for _, test := range []struct{ manifest, want string }{
		{"apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - name: c\n    image: [busybox]\n", "m.yaml:7: spec.containers[0].image: a string is wanted here, not a list"},
		{"apiVersion: v1\nkind: Pod\n\tmetadata: {name: a}\n", "m.yaml:3: not YAML: found a tab character that violates indentation (a tab where YAML wants spaces)"},
		{pod(`name: a`, `restartPolicy: Sometimes, `+busybox), `m.yaml: invalid pod: spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "OnFailure", "Never"`},
		{pod(`name: a`, `containers: [{name: c}]`), "m.yaml: invalid pod: spec.containers[0].image: Required value"},
		{pod(`name: a`, `serviceAccountName: x, `+busybox), "m.yaml: static pods may not reference serviceaccounts"},
		{pod(`name: a`, `volumes: [{name: v, secret: {secretName: s}}], `+busybox), "m.yaml: static pods may not reference secrets"},
		{pod(`name: a, annotations: {kubernetes.io/config.mirror: x}`, busybox), "m.yaml: metadata.annotations[kubernetes.io/config.mirror]: the pod is another's mirror; leave the annotation out"},
		{pod(`name: a, uid: ../../etc`, busybox), `m.yaml: metadata.uid: "../../etc" cannot be one; leave it out`},
		{pod(`labels: {}`, busybox), "m.yaml:3: metadata.name is missing"},
		{"apiVersion: v1\nkind: Secret\nmetadata: {name: a}\n", "m.yaml: kind: only a Pod can be static, not a Secret"},
		{"apiVersion: v1\nkind: pod\nmetadata: {name: a}\n", `m.yaml:2: no kind "pod" in "v1": Pod is in "v1"`},
		{"", "m.yaml: is empty: there is nothing to apply"},
		{strings.Repeat("#", maxSize+1), "m.yaml: it has more than 10485760 bytes"},
	} {
		d := newDesk(t)
		write(t, d.dir, map[string]string{"m.yaml": test.manifest, "other.yaml": pod("name: other", busybox)})
		if got := d.read(); !slices.Equal(got, []string{"other-node1"}) {
			t.Errorf("the pods are %v beside %.100q", got, test.manifest)
		}
		d.read()
		if len(d.problems) != 1 || d.problems[0] != test.want {
			t.Errorf("%.100q:\ngot  %q\nwant %q", test.manifest, d.problems, test.want)
		}
	}
}

// TestDoubts: upstream runs these, and so does podling, but not without a word.
func TestDoubts(t *testing.T) {
	for _, test := range []struct{ manifest, want string }{
		{"apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - name: c\n    image: busybox\n    imgae: x\n", `m.yaml:8: unknown field "spec.containers[0].imgae"`},
		{pod("name: a", busybox) + "---\n" + pod("name: b", busybox), "m.yaml: it holds 2 objects, of which the first alone counts"},
	} {
		d := newDesk(t)
		write(t, d.dir, map[string]string{"m.yaml": test.manifest})
		if got := d.read(); !slices.Equal(got, []string{"a-node1"}) {
			t.Errorf("the pods are %v, of %q", got, test.manifest)
		}
		want := "a static pod is run, but not all that its manifest says has a meaning: " + test.want
		if len(d.problems) != 1 || d.problems[0] != want {
			t.Errorf("got  %q\nwant %q", d.problems, want)
		}
	}
}

// TestHalfWritten: a manifest that is bad for a moment keeps its pod, one that stays so does not.
func TestHalfWritten(t *testing.T) {
	d := newDesk(t)
	write(t, d.dir, map[string]string{"m.yaml": pod("name: a", busybox)})
	d.read()
	uid, seen := d.pods[0].UID, d.pods[0].Annotations[kubetypes.ConfigFirstSeenAnnotationKey]
	write(t, d.dir, map[string]string{"m.yaml": ""})
	d.now = d.now.Add(time.Second)
	if got := d.read(); len(got) != 1 || d.pods[0].UID != uid {
		t.Fatalf("the pods are %v while the manifest is written", got)
	}
	write(t, d.dir, map[string]string{"m.yaml": "# the same\n" + pod("name: a", busybox)})
	d.now = d.now.Add(time.Minute)
	if got := d.read(); len(got) != 1 || d.pods[0].UID != uid || d.pods[0].Annotations[kubetypes.ConfigFirstSeenAnnotationKey] != seen {
		t.Fatalf("the pods are %v after a comment was put in: another pod, or one seen anew", got)
	}
	write(t, d.dir, map[string]string{"m.yaml": "apiVersion"})
	for range 2 {
		if got := d.read(); len(got) != 1 {
			t.Fatalf("the pods are %v at once", got)
		}
		d.now = d.now.Add(lasting - time.Second)
		write(t, d.dir, map[string]string{"m.yaml": "apiVersion: v"})
	}
	if got := d.read(); len(got) != 0 {
		t.Fatalf("the pods are %v although the manifest stays bad", got)
	}
	write(t, d.dir, map[string]string{"m.yaml": pod("name: a, labels: {b: c}", busybox)})
	if got := d.read(); len(got) != 1 || d.pods[0].UID == uid {
		t.Fatalf("the pods are %v: not a new one", got)
	}
	d.remove(t, "m.yaml")
	if got := d.read(); len(got) != 0 {
		t.Fatalf("the pods are %v after the manifest was removed", got)
	}
}

// TestSameName: a new file takes no name away from the one that has it.
func TestSameName(t *testing.T) {
	d := newDesk(t)
	write(t, d.dir, map[string]string{"m.yaml": pod("name: a", busybox)})
	d.read()
	uid := d.pods[0].UID
	write(t, d.dir, map[string]string{"a.yaml": pod("name: a, labels: {b: c}", busybox)})
	if got := d.read(); len(got) != 1 || d.pods[0].UID != uid {
		t.Fatalf("the pods are %v: not the one that was there", got)
	}
	if len(d.problems) != 1 || !strings.HasPrefix(d.problems[0], "a.yaml: metadata.name: ") || !strings.HasSuffix(d.problems[0], "the pod in m.yaml") {
		t.Errorf("the problems are %q", d.problems)
	}
	d.remove(t, "m.yaml")
	if got := d.read(); len(got) != 1 || d.pods[0].UID == uid {
		t.Fatalf("the pods are %v: the second does not take the place of the first", got)
	}
}

// TestNotFiles: what is not a file is not opened, for a pipe would never end.
func TestNotFiles(t *testing.T) {
	d := newDesk(t)
	if err := os.Mkdir(filepath.Join(d.dir, "sub"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("nowhere", filepath.Join(d.dir, "link")); err != nil {
		t.Fatal(err)
	}
	if got := d.read(); len(got) != 0 || len(d.problems) != 1 || !strings.HasPrefix(d.problems[0], "sub: ") {
		t.Errorf("the pods are %v, the problems %q", got, d.problems)
	}
	d.folder.path = filepath.Join(d.dir, "missing")
	if got := d.read(); len(got) != 0 || len(d.problems) != 1 {
		t.Errorf("of a folder that is not there: the pods are %v, the problems %q", got, d.problems)
	}
}

// TestMirror is about what the API is told, and what it is told apart by.
func TestMirror(t *testing.T) {
	d := newDesk(t)
	write(t, d.dir, map[string]string{"m.yaml": pod("name: a, resourceVersion: '5'", busybox)})
	d.read()
	p := d.pods[0]
	node := &v1.Node{ObjectMeta: metav1.ObjectMeta{Name: "node1", UID: "n"}}
	m := Mirror(p, node)
	if kubetypes.IsMirrorPod(p) || !kubetypes.IsMirrorPod(m) || !Mirrors(m, p) || Of(m) != p.UID || m.ResourceVersion != "" {
		t.Errorf("not a mirror of %v: %v", p.ObjectMeta, m.ObjectMeta)
	}
	if o := m.OwnerReferences; len(o) != 1 || o[0].Kind != "Node" || o[0].UID != "n" || o[0].Controller == nil || !*o[0].Controller || o[0].BlockOwnerDeletion != nil {
		t.Errorf("it is owned by %v", o)
	}
	write(t, d.dir, map[string]string{"m.yaml": pod("name: a", `hostNetwork: true, `+busybox)})
	d.read()
	if Mirrors(m, d.pods[0]) {
		t.Error("it is the mirror of what came after, too")
	}
}
