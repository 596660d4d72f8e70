package credentials

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/rest"
)

// A name is taken while the node that has it is alive, and is another one.
func TestCheckName(t *testing.T) {
	node := func(instance string, ready corev1.ConditionStatus) *corev1.Node {
		return &corev1.Node{
			ObjectMeta: metav1.ObjectMeta{Name: "n", Annotations: map[string]string{InstanceAnnotation: instance}},
			Status: corev1.NodeStatus{
				Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: ready}},
				Addresses:  []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: "192.0.2.7"}},
				NodeInfo:   corev1.NodeSystemInfo{KubeletVersion: "v1.36.0"},
			},
		}
	}
	lease := func(ago time.Duration) *coordinationv1.Lease {
		return &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: "n", Namespace: corev1.NamespaceNodeLease},
			Spec: coordinationv1.LeaseSpec{LeaseDurationSeconds: new(int32(40)), RenewTime: new(metav1.NewMicroTime(time.Now().Add(-ago)))}}
	}
	for name, test := range map[string]struct {
		there []runtime.Object
		taken bool
	}{
		"no such node":            {nil, false},
		"another, alive":          {[]runtime.Object{node("b", corev1.ConditionTrue), lease(time.Second)}, true},
		"a kubelet's, alive":      {[]runtime.Object{node("", corev1.ConditionTrue), lease(time.Second)}, true},
		"another, without leases": {[]runtime.Object{node("b", corev1.ConditionTrue)}, true},
		"another, silent":         {[]runtime.Object{node("b", corev1.ConditionTrue), lease(time.Minute)}, false},
		"another, gone":           {[]runtime.Object{node("b", corev1.ConditionUnknown), lease(time.Second)}, false},
		"the same":                {[]runtime.Object{node("a", corev1.ConditionTrue), lease(time.Second)}, false},
	} {
		err := CheckName(t.Context(), fake.NewClientset(test.there...), "n", "a")
		if test.taken && (err == nil || !strings.Contains(err.Error(), "v1.36.0 at 192.0.2.7: choose another name with --node-name")) || !test.taken && err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A data folder keeps its name.
func TestInstance(t *testing.T) {
	dir := t.TempDir()
	first, err := Instance(dir)
	if err != nil || first == "" {
		t.Fatalf("%q, %v", first, err)
	}
	if again, err := Instance(dir); err != nil || again != first {
		t.Errorf("%q became %q, %v", first, again, err)
	}
	if other, err := Instance(t.TempDir()); err != nil || other == first {
		t.Errorf("two folders have the name %q, %v", other, err)
	}
	if _, err := Instance(filepath.Join(dir, "nowhere")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a folder that is not there: %v", err)
	}
}

// A refusal says why, as far as the client can tell.
func TestRefused(t *testing.T) {
	refusal := apierrors.NewUnauthorized("Unauthorized")
	ended := issued(t, "system:node:n", time.Now().Add(-time.Hour))
	lasting := issued(t, "system:node:n", time.Now().Add(time.Hour))
	for want, certificate := range map[string][]byte{"the client certificate of system:node:n: it ended on": ended, "does not know who this is": lasting} {
		err := Refused(refusal, &rest.Config{Host: "https://h", TLSClientConfig: rest.TLSClientConfig{CertData: certificate}})
		if !strings.Contains(err.Error(), want) || !apierrors.IsUnauthorized(err) {
			t.Errorf("%v; want %q", err, want)
		}
	}
	if other := apierrors.NewBadRequest("x"); Refused(other, &rest.Config{}) != error(other) {
		t.Error("another error became a refusal")
	}
}
