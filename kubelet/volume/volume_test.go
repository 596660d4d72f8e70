package volume

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
	"sigs.k8s.io/yaml"
)

// node is a manager over a folder of its own, with an API server in memory.
type node struct {
	*Manager
	t      *testing.T
	client *fake.Clientset
	mu     sync.Mutex
	events []string
}

func newNode(t *testing.T, objects ...runtime.Object) *node {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("mounting a tmpfs needs root: run this test as root")
	}
	n := &node{t: t, client: fake.NewClientset(append(objects, &v1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: "n"},
		Status:     v1.NodeStatus{Allocatable: v1.ResourceList{v1.ResourceMemory: resource.MustParse("1Gi")}},
	})...)}
	root := t.TempDir()
	n.Manager = n.manager(root)
	t.Cleanup(func() {
		if err := unmountBelow(root); err != nil {
			t.Errorf("the test left mounts: %v", err)
		}
	})
	return n
}

// manager is one more over the same node, as after a restart.
func (n *node) manager(root string) *Manager {
	return New(root, n.client, "n", n.object, recorder{n})
}

// object is what the node knows of itself.
func (n *node) object() *v1.Node {
	object, err := n.client.CoreV1().Nodes().Get(context.Background(), "n", metav1.GetOptions{})
	if err != nil {
		return nil
	}
	return object
}

// recorder keeps the Events of the node's pods.
type recorder struct{ n *node }

func (r recorder) Event(_ runtime.Object, eventType, reason, message string) {
	r.n.mu.Lock()
	defer r.n.mu.Unlock()
	r.n.events = append(r.n.events, eventType+" "+reason+" "+message)
}

func (r recorder) Eventf(o runtime.Object, eventType, reason, format string, args ...any) {
	r.Event(o, eventType, reason, fmt.Sprintf(format, args...))
}

func (r recorder) AnnotatedEventf(o runtime.Object, _ map[string]string, eventType, reason, format string, args ...any) {
	r.Eventf(o, eventType, reason, format, args...)
}

func (n *node) takeEvents() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	events := n.events
	n.events = nil
	slices.Sort(events)
	return events
}

// pod makes a pod with the volumes, each mounted by its one container. It has
// the defaults that the API server would give.
func pod(t *testing.T, volumes string) *v1.Pod {
	t.Helper()
	p := &v1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "p", UID: types.UID("uid-" + t.Name()[strings.LastIndex(t.Name(), "/")+1:])},
		Spec:       v1.PodSpec{ServiceAccountName: "default", Containers: []v1.Container{{Name: "c"}}},
	}
	if err := yaml.UnmarshalStrict([]byte(volumes), &p.Spec.Volumes); err != nil {
		t.Fatal(err)
	}
	mode := int32(0o644)
	for i := range p.Spec.Volumes {
		v := &p.Spec.Volumes[i]
		p.Spec.Containers[0].VolumeMounts = append(p.Spec.Containers[0].VolumeMounts, v1.VolumeMount{Name: v.Name, MountPath: "/" + v.Name})
		for _, m := range []**int32{field(v.ConfigMap), secretField(v.Secret), downwardField(v.DownwardAPI), projectedField(v.Projected)} {
			if m != nil && *m == nil {
				*m = &mode
			}
		}
	}
	return p
}

func field(s *v1.ConfigMapVolumeSource) **int32 {
	if s == nil {
		return nil
	}
	return &s.DefaultMode
}

func secretField(s *v1.SecretVolumeSource) **int32 {
	if s == nil {
		return nil
	}
	return &s.DefaultMode
}

func downwardField(s *v1.DownwardAPIVolumeSource) **int32 {
	if s == nil {
		return nil
	}
	return &s.DefaultMode
}

func projectedField(s *v1.ProjectedVolumeSource) **int32 {
	if s == nil {
		return nil
	}
	return &s.DefaultMode
}

func (n *node) mount(p *v1.Pod) map[string]string {
	n.t.Helper()
	volumes, err := n.Mount(n.t.Context(), p)
	if err != nil {
		n.t.Fatalf("Mount: %v", err)
	}
	paths := map[string]string{}
	for name, v := range volumes {
		paths[name] = v.Path
	}
	return paths
}

func (n *node) configMap(name string, data ...string) {
	n.t.Helper()
	cm := &v1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name}, Data: map[string]string{}}
	for i := 0; i < len(data); i += 2 {
		cm.Data[data[i]] = data[i+1]
	}
	if err := n.client.Tracker().Add(cm); err != nil {
		n.t.Fatal(err)
	}
}

// tree lists the files that a container would see, with mode and contents.
func tree(t *testing.T, dir string) string {
	t.Helper()
	var lines []string
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "..") {
			continue
		}
		path := filepath.Join(dir, e.Name())
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.IsDir() {
			for line := range strings.Lines(tree(t, path)) {
				lines = append(lines, e.Name()+"/"+strings.TrimSpace(line))
			}
			continue
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, fmt.Sprintf("%s %o %s", e.Name(), info.Mode().Perm(), strings.ReplaceAll(string(data), "\n", "|")))
	}
	return strings.Join(lines, "\n")
}
