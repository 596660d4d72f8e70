package reference

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
)

// TestSettle has the API server refuse for a while, in virtual time, and sees
// which refusals are waited out, how long, and what is said in the end.
func TestSettle(t *testing.T) {
	forbidden := apierrors.NewForbidden(v1.Resource("configmaps"), "x", errors.New("no relationship found"))
	missing := apierrors.NewNotFound(v1.Resource("configmaps"), "x")
	for name, c := range map[string]struct {
		object  string
		refusal error
		lasts   time.Duration
		want    string // "": an object
		waits   bool
	}{
		"the authorizer knows soon":          {"cm", forbidden, 100 * time.Millisecond, "", true},
		"the authorizer never knows":         {"cm", forbidden, time.Hour, forbidden.Error(), true},
		"there is none":                      {"cm", missing, 100 * time.Millisecond, `configmap "cm" not found`, false},
		"the root CA is about to be written": {rootCA, missing, 100 * time.Millisecond, "", true},
		"the root CA is never written":       {rootCA, missing, time.Hour, `configmap "kube-root-ca.crt" not found`, true},
		"something else":                     {"cm", errors.New("no"), 100 * time.Millisecond, "no", false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client := fake.NewClientset(&v1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: c.object}})
				start := time.Now()
				client.PrependReactor("get", "configmaps", func(clienttesting.Action) (bool, runtime.Object, error) {
					return time.Since(start) < c.lasts, nil, c.refusal
				})
				cm, err := New(client).ConfigMap(t.Context(), "ns", c.object)
				switch {
				case c.want == "" && (err != nil || cm.Name != c.object):
					t.Errorf("got %v, %v", cm, err)
				case c.want != "" && (err == nil || err.Error() != c.want):
					t.Errorf("error %v, want %s", err, c.want)
				}
				if waited := time.Since(start); c.waits != (waited > 0) || waited > settleTime {
					t.Errorf("waited %v", waited)
				}
			})
		})
	}
}

func TestSecretAndToken(t *testing.T) {
	client := fake.NewClientset()
	client.PrependReactor("create", "serviceaccounts", func(a clienttesting.Action) (bool, runtime.Object, error) {
		return true, &authenticationv1.TokenRequest{Status: authenticationv1.TokenRequestStatus{Token: a.GetNamespace() + "/" + a.GetSubresource()}}, nil
	})
	reader := New(client)
	if _, err := reader.Secret(t.Context(), "ns", "s"); err == nil || err.Error() != `secret "s" not found` || !apierrors.IsNotFound(err) {
		t.Errorf("error %v", err)
	}
	got, err := reader.Token(t.Context(), "ns", "default", &authenticationv1.TokenRequest{})
	if err != nil || got.Status.Token != "ns/token" {
		t.Errorf("%v, %v", got, err)
	}
}

// A round asks once for each object, and not for another's sake.
func TestOnce(t *testing.T) {
	meta := metav1.ObjectMeta{Namespace: "ns", Name: "x"}
	client := fake.NewClientset(&v1.ConfigMap{ObjectMeta: meta}, &v1.Secret{ObjectMeta: meta})
	reader := New(client).Once()
	for range 3 {
		if _, err := reader.ConfigMap(t.Context(), "ns", "x"); err != nil {
			t.Error(err)
		}
		if _, err := reader.Secret(t.Context(), "ns", "x"); err != nil {
			t.Error(err)
		}
		if _, err := reader.Secret(t.Context(), "other", "x"); err == nil {
			t.Error("got a secret of another namespace")
		}
	}
	if asked := client.Actions(); len(asked) != 3 {
		t.Errorf("asked %v", asked)
	}
}
