package volume

import (
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// TestContents mounts the volumes of each case in testdata/contents and prints
// what a container would see in them, or the error and the Events.
func TestContents(t *testing.T) {
	datadriven.Walk(t, "testdata/contents", func(t *testing.T, file string) {
		n := newNode(t)
		n.configMap("cm", "a", "1", "b", "2")
		if err := n.client.Tracker().Add(&v1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "s"}, Data: map[string][]byte{"user": []byte("me"), "word": []byte("x")},
		}); err != nil {
			t.Fatal(err)
		}
		datadriven.RunTest(t, file, func(t *testing.T, d *datadriven.TestData) string {
			p := pod(t, d.Input)
			p.UID = types.UID(d.Cmd)
			p.Labels = map[string]string{"app": "x"}
			p.Annotations = map[string]string{"note": "y"}
			var group int64
			if d.HasArg("group") {
				d.ScanArgs(t, "group", &group)
				p.Spec.SecurityContext = &v1.PodSecurityContext{FSGroup: &group}
			}
			volumes, err := n.Mount(t.Context(), p)
			var out []string
			if err != nil {
				out = append(out, "error: "+err.Error())
			}
			for _, v := range p.Spec.Volumes {
				if ready, ok := volumes[v.Name]; ok {
					out = append(out, "--- "+v.Name, tree(t, ready.Path))
				}
			}
			out = append(out, n.takeEvents()...)
			if err := n.Unmount(t.Context(), p.UID); err != nil {
				out = append(out, "unmount: "+err.Error())
			}
			return strings.Join(out, "\n") + "\n"
		})
	})
}
