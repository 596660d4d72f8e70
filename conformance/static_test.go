package conformance

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"github.com/podling/podling/conformance/launch"
)

// diarist is a static pod that writes down when it starts and, after SIGTERM,
// when it ends, a second later.
const diarist = `apiVersion: v1
kind: Pod
metadata: {name: %[1]s, namespace: %[3]s, labels: {content: "%[2]s"}}
spec:
  terminationGracePeriodSeconds: 20
  containers:
  - name: main
    image: busybox:1.36
    imagePullPolicy: IfNotPresent
    command:
    - sh
    - -c
    - |
      echo start %[2]s >>/diary/%[1]s
      trap 'sleep 1; echo end %[2]s >>/diary/%[1]s; exit 0' TERM
      while :; do sleep 0.1; done
    volumeMounts: [{name: diary, mountPath: /diary}]
  volumes:
  - name: diary
    hostPath: {path: %[4]s}
`

// manifests are a node's folder of static pods, and what those write down.
type manifests struct {
	*testing.T
	folder, diaries string
}

// put writes the manifest of a static pod; another content is another pod.
func (m manifests) put(name, content, namespace string) {
	m.Helper()
	text := fmt.Sprintf(diarist, name, content, namespace, m.diaries)
	if err := os.WriteFile(filepath.Join(m.folder, name+".yaml"), []byte(text), 0o600); err != nil {
		m.Fatal(err)
	}
}

func (m manifests) remove(name string) {
	m.Helper()
	if err := os.Remove(filepath.Join(m.folder, name+".yaml")); err != nil {
		m.Fatal(err)
	}
}

// diary waits for the last line, and gives all.
func (m manifests) diary(name string, want ...string) {
	m.Helper()
	var lines []string
	until(m.T, fmt.Sprintf("the pod %s writes %q", name, want), func() bool {
		raw, err := os.ReadFile(filepath.Join(m.diaries, name))
		if err != nil && !os.IsNotExist(err) {
			m.Fatal(err)
		}
		lines = strings.FieldsFunc(string(raw), func(r rune) bool { return r == '\n' })
		return len(lines) >= len(want)
	})
	if !slices.Equal(lines, want) {
		m.Fatalf("the pod %s wrote %q, not %q", name, lines, want)
	}
}

// TestStaticPods is the life of static pods as the API shows it and as their
// processes have it: through deletions of their mirrors, changes of their
// manifests, and a kill -9 of the node with both.
func TestStaticPods(t *testing.T) {
	binary, mirror := given(t)
	m := manifests{t, t.TempDir(), t.TempDir()}
	data := filepath.Join(t.TempDir(), "data")
	t.Cleanup(func() { removeBridge(t, data) })
	up := func() (*launch.Podling, kubernetes.Interface) {
		t.Helper()
		return launched(t, binary, "--data-dir", data, "--registry-mirror", mirror, "--pod-manifest-path", m.folder)
	}

	m.put("stays", "1", "default")
	m.put("goes", "1", "default")
	m.put("changes", "1", "default")
	m.put("lonely", "1", "later")
	p, client := up()
	t.Cleanup(func() {
		if t.Failed() { // it has not been stopped, or not in order
			if err := p.Stop(); err != nil {
				t.Log(err)
			}
		}
	})
	on := func(name string) string { return name + "-" + p.Node }
	stays, goes, changes := on("stays"), on("goes"), on("changes")
	until(t, "three static pods run", func() bool { return len(running(t, client)) == 3 })
	first := running(t, client)
	aMirror(t, client, stays)
	m.diary("lonely", "start 1") // there is no namespace for its mirror

	for _, grace := range []*int64{nil, new(int64)} {
		before := uidOf(t, client, stays)
		if err := client.CoreV1().Pods("default").Delete(t.Context(), stays, metav1.DeleteOptions{GracePeriodSeconds: grace}); err != nil {
			t.Fatal(err)
		}
		until(t, "the mirror is there again", func() bool {
			uid := uidOf(t, client, stays)
			return uid != "" && uid != before && running(t, client)[stays] != ""
		})
		if now := running(t, client)[stays]; now != first[stays] {
			t.Errorf("after its mirror was deleted the container is %s; it was %s", now, first[stays])
		}
	}
	m.put("changes", "2", "default")
	m.diary("changes", "start 1", "end 1", "start 2")
	until(t, "the mirror shows the new pod", func() bool { is := running(t, client)[changes]; return is != "" && is != first[changes] })
	second := running(t, client)

	kill(t, p.Pid)
	p.Wait()
	m.remove("goes")
	m.put("changes", "3", "default")
	p, client = up()
	until(t, "the mirror of the pod whose manifest went is gone", func() bool { return uidOf(t, client, goes) == "" })
	m.diary("goes", "start 1", "end 1")
	m.diary("changes", "start 1", "end 1", "start 2", "end 2", "start 3")
	until(t, "the mirror shows the third pod", func() bool { is := running(t, client)[changes]; return is != "" && is != second[changes] })
	if now := running(t, client)[stays]; now != first[stays] {
		t.Errorf("after kill -9 the container is %s; it was %s", now, first[stays])
	}
	m.diary("stays", "start 1")

	later := &v1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "later"}}
	if _, err := client.CoreV1().Namespaces().Create(t.Context(), later, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	until(t, "its mirror is there once it has a namespace", func() bool {
		pod, err := client.CoreV1().Pods("later").Get(t.Context(), on("lonely"), metav1.GetOptions{})
		return err == nil && pod.Status.Phase == v1.PodRunning
	})
	m.diary("lonely", "start 1")
	refused(t, client, m.folder)

	m.remove("stays")
	m.remove("changes")
	m.remove("lonely")
	m.diary("stays", "start 1", "end 1")
	until(t, "all mirrors are gone", func() bool {
		left, err := client.CoreV1().Pods(metav1.NamespaceAll).List(t.Context(), metav1.ListOptions{})
		return err == nil && len(left.Items) == 0
	})
	if left, err := os.ReadDir(filepath.Join(data, "kubelet", "pods")); err != nil || len(left) > 0 {
		t.Errorf("on the node are left: %v, %v", left, err)
	}
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
}

// aMirror checks what makes a pod a mirror.
func aMirror(t *testing.T, client kubernetes.Interface, name string) {
	t.Helper()
	pod := pods(t, client)[name]
	hash := pod.Annotations["kubernetes.io/config.hash"]
	if pod.Annotations["kubernetes.io/config.source"] != "file" || len(hash) != 32 || pod.Annotations[v1.MirrorPodAnnotationKey] != hash {
		t.Errorf("%s has the annotations %v", name, pod.Annotations)
	}
	if o := pod.OwnerReferences; len(o) != 1 || o[0].Kind != "Node" || o[0].Name != pod.Spec.NodeName {
		t.Errorf("%s belongs to %v", name, o)
	}
}

func uidOf(t *testing.T, client kubernetes.Interface, name string) types.UID {
	t.Helper()
	return pods(t, client)[name].UID
}

// refused puts the examples into the folder that no node runs, and waits for the Event.
func refused(t *testing.T, client kubernetes.Interface, folder string) {
	t.Helper()
	for _, file := range ofStatic {
		text, err := os.ReadFile(filepath.Join("..", "examples", "reasons", file))
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(folder, file)
		if err := os.WriteFile(path, bytes.TrimSpace(text), 0o600); err != nil {
			t.Fatal(err)
		}
		word := strings.TrimSuffix(file, ".yaml")
		until(t, "the node says "+word, func() bool {
			events, err := client.CoreV1().Events("default").List(t.Context(), metav1.ListOptions{FieldSelector: "involvedObject.kind=Node,reason=" + word})
			return err == nil && len(events.Items) == 1 && events.Items[0].Message == path+": static pods may not reference secrets"
		})
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}
