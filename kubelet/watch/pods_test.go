package watch

import (
	"testing"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kubetypes "k8s.io/kubernetes/pkg/kubelet/types"
)

// A pod of the API is marked as one, with one and the same time for as long as it
// is known, and the API's own object is left as it is.
func TestMark(t *testing.T) {
	pod := &v1.Pod{ObjectMeta: metav1.ObjectMeta{UID: "u", Annotations: map[string]string{kubetypes.ConfigSourceAnnotationKey: "file", "own": "x"}}}
	known := since{}
	first := known.mark(pod).Annotations
	seen := first[kubetypes.ConfigFirstSeenAnnotationKey]
	if len(first) != 3 || seen == "" || first[kubetypes.ConfigSourceAnnotationKey] != "api" || first["own"] != "x" {
		t.Errorf("annotations %v", first)
	}
	if len(pod.Annotations) != 2 || pod.Annotations[kubetypes.ConfigSourceAnnotationKey] != "file" {
		t.Errorf("the API's annotations became %v", pod.Annotations)
	}
	known["u"] = "earlier"
	if again := known.mark(&v1.Pod{ObjectMeta: metav1.ObjectMeta{UID: "u"}}).Annotations; len(again) != 2 || again[kubetypes.ConfigFirstSeenAnnotationKey] != "earlier" {
		t.Errorf("later: %v", again)
	}
}
