package environment

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
	"k8s.io/kubernetes/pkg/kubelet/container"
	"sigs.k8s.io/yaml"
)

func service(namespace, name, ip string, ports ...v1.ServicePort) *v1.Service {
	return &v1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Spec: v1.ServiceSpec{ClusterIP: ip, Ports: ports}}
}

func cluster() []runtime.Object {
	https := v1.ServicePort{Name: "https", Port: 443, Protocol: v1.ProtocolTCP}
	return []runtime.Object{
		service("default", "kubernetes", "10.96.0.1", https),
		service("default", "other", "10.96.0.2", https),
		service("ns", "web-app", "10.96.0.3", v1.ServicePort{Port: 80}, v1.ServicePort{Name: "dns", Port: 53, Protocol: v1.ProtocolUDP}),
		service("ns", "headless", "None", https),
		&v1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "cm"}, Data: map[string]string{"a": "1", "b": "2"}},
		&v1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "s"}, Data: map[string][]byte{"user": []byte("me"), "word": []byte("x")}},
	}
}

func node() *v1.Node {
	return &v1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n"}, Status: v1.NodeStatus{Allocatable: v1.ResourceList{
		v1.ResourceCPU: resource.MustParse("2"), v1.ResourceMemory: resource.MustParse("1Gi"),
	}}}
}

// TestMake gives each case of testdata a pod as described and prints its first
// container's environment, or the error.
func TestMake(t *testing.T) {
	volume := t.TempDir()
	if err := os.WriteFile(filepath.Join(volume, "file.env"), []byte("ONE='1'\nTWO='two words'\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	maker, err := New(ctx, fake.NewClientset(cluster()...), node)
	if err != nil {
		t.Fatal(err)
	}
	datadriven.Walk(t, "testdata", func(t *testing.T, file string) {
		datadriven.RunTest(t, file, func(t *testing.T, d *datadriven.TestData) string {
			links := d.HasArg("links")
			p := &v1.Pod{
				ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "p", UID: "uid", Labels: map[string]string{"app": "x", "tier": "y"}},
				Spec:       v1.PodSpec{ServiceAccountName: "account", EnableServiceLinks: &links},
			}
			c := v1.Container{Name: "c"}
			if err := yaml.UnmarshalStrict([]byte(d.Input), &c); err != nil {
				t.Fatal(err)
			}
			p.Spec.Containers = []v1.Container{c}
			if d.HasArg("pod-memory") {
				var limit string
				d.ScanArgs(t, "pod-memory", &limit)
				p.Spec.Resources = &v1.ResourceRequirements{Limits: v1.ResourceList{v1.ResourceMemory: resource.MustParse(limit)}}
			}
			env, err := maker.Make(t.Context(), p, &p.Spec.Containers[0], []string{"10.1.0.2", "fd00::2"}, []string{"192.0.2.1"}, "n", map[string]string{"v": volume})
			if err != nil {
				return strings.ReplaceAll("error: "+err.Error(), volume, "VOLUME") + "\n"
			}
			var out strings.Builder
			for _, v := range env {
				if !d.HasArg("links") && strings.HasPrefix(v.Key, "KUBERNETES_") {
					continue // the same in every case
				}
				fmt.Fprintf(&out, "%s=%s\n", v.Key, v.Value)
			}
			return out.String()
		})
	})
}

// Without the services read once there is no environment, but an end to waiting.
func TestMakeBeforeServices(t *testing.T) {
	client := fake.NewClientset(cluster()...)
	client.PrependReactor("list", "services", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, fmt.Errorf("not yet")
	})
	maker, err := New(t.Context(), client, node)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	no := false
	_, err = maker.Make(ctx, &v1.Pod{Spec: v1.PodSpec{EnableServiceLinks: &no}}, &v1.Container{}, nil, nil, "n", nil)
	if want := "services have not yet been read at least once, cannot construct envvars"; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
	if _, err := maker.Make(ctx, &v1.Pod{}, &v1.Container{}, nil, nil, "n", nil); err == nil || !strings.Contains(err.Error(), "nil pod.spec.enableServiceLinks") {
		t.Errorf("for a pod without defaults: %v", err)
	}
}

// TestExpandAsUpstream compares expansions with upstream's on random texts.
func TestExpandAsUpstream(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	parts := []string{"$", "$$", "(", ")", "$(A)", "$(B)", "$(EMPTY)", "$(NONE)", "$(OTHER)", "A", "text", "$(", "$(A"}
	ours := []*runtimeapi.KeyValue{{Key: "A", Value: []byte("1")}, {Key: "B", Value: []byte("$(A)")}, {Key: "EMPTY"}}
	var theirs []container.EnvVar
	for _, v := range ours {
		theirs = append(theirs, container.EnvVar{Name: v.Key, Value: string(v.Value)})
	}
	for range 20000 {
		var words []string
		for range random.IntN(4) {
			var w strings.Builder
			for range random.IntN(5) {
				w.WriteString(parts[random.IntN(len(parts))])
			}
			words = append(words, w.String())
		}
		want, _ := container.ExpandContainerCommandAndArgs(&v1.Container{Command: words}, theirs)
		if got := Expand(words, ours); !slices.Equal(got, want) {
			t.Fatalf("%q: %q, upstream %q", words, got, want)
		}
		for _, w := range words {
			want, wantErr := container.ExpandContainerVolumeMounts(v1.VolumeMount{SubPathExpr: w}, theirs)
			got, gotErr := ExpandPath(w, ours)
			if got != want || fmt.Sprint(gotErr) != fmt.Sprint(wantErr) {
				t.Fatalf("%q: %q, %v, upstream %q, %v", w, got, gotErr, want, wantErr)
			}
		}
	}
}
