package volume

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/podling/podling/kubelet/reference"
)

// issuer gives tokens 1, 2, … unless it is down.
type issuer struct {
	issued int
	down   bool
	asked  []authenticationv1.TokenRequestSpec
}

func (i *issuer) serve(client *fake.Clientset) {
	client.PrependReactor("create", "serviceaccounts", func(a clienttesting.Action) (bool, runtime.Object, error) {
		if a.GetSubresource() != "token" {
			return false, nil, nil
		}
		if i.down {
			return true, nil, errors.New("no answer")
		}
		r := a.(clienttesting.CreateAction).GetObject().(*authenticationv1.TokenRequest).DeepCopy()
		i.asked = append(i.asked, r.Spec)
		i.issued++
		r.Status.Token = fmt.Sprintf("token-%d", i.issued)
		r.Status.ExpirationTimestamp = metav1.NewTime(time.Now().Add(time.Duration(*r.Spec.ExpirationSeconds) * time.Second))
		return true, r, nil
	})
}

func request(seconds int64, audiences ...string) *authenticationv1.TokenRequest {
	return &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
		Audiences: audiences, ExpirationSeconds: &seconds,
		BoundObjectRef: &authenticationv1.BoundObjectReference{Kind: "Pod", Name: "p", UID: "uid"},
	}}
}

// TestTokenLife follows one token through its life, in virtual time.
func TestTokenLife(t *testing.T) {
	for _, c := range []struct {
		life    time.Duration
		renewed time.Duration
	}{
		{time.Hour, 48 * time.Minute},
		{10 * time.Minute, 8 * time.Minute},
		{48 * time.Hour, 24 * time.Hour}, // at the latest after a day
	} {
		synctest.Test(t, func(t *testing.T) {
			client := fake.NewClientset()
			i := &issuer{}
			i.serve(client)
			reader, kept := reference.New(client), newTokens()
			get := func() string {
				t.Helper()
				r, err := kept.get(t.Context(), reader, "ns", "default", request(int64(c.life.Seconds())))
				if err != nil {
					return err.Error()
				}
				return r.Status.Token
			}
			check := func(when, want string) {
				t.Helper()
				if got := get(); got != want {
					t.Errorf("life %v, %s: %q, want %q", c.life, when, got, want)
				}
			}
			check("at first", "token-1")
			time.Sleep(c.renewed - time.Second)
			check("before it is old", "token-1")
			time.Sleep(time.Second)
			i.down = true
			check("old, issuer down", "token-1")
			i.down = false
			check("old", "token-2")
			i.down = true
			time.Sleep(c.life + time.Second)
			check("expired, issuer down", fmt.Sprintf(`token of service account ns/default for  for %d s expired and refresh failed: no answer`, int(c.life.Seconds())))
			kept.forget("uid")
			check("forgotten, issuer down", "failed to fetch token: no answer")
		})
	}
}

// Tokens for other audiences and lives are other tokens.
func TestTokensApart(t *testing.T) {
	client := fake.NewClientset()
	i := &issuer{}
	i.serve(client)
	kept := newTokens()
	for _, r := range []*authenticationv1.TokenRequest{request(600), request(600, "a"), request(700, "a"), request(600, "a", "b")} {
		if _, err := kept.get(t.Context(), reference.New(client), "ns", "default", r); err != nil {
			t.Fatal(err)
		}
	}
	if i.issued != 4 {
		t.Errorf("issued %d tokens, want 4", i.issued)
	}
}

// The volume that each pod has by default holds a token bound to the pod.
func TestTokenVolume(t *testing.T) {
	n := newNode(t)
	i := &issuer{}
	i.serve(n.client)
	n.configMap("kube-root-ca.crt", "ca.crt", "CA")
	p := pod(t, `
- name: v
  projected:
    sources:
    - serviceAccountToken: {path: token, expirationSeconds: 3607, audience: me}
    - configMap: {name: kube-root-ca.crt, items: [{key: ca.crt, path: ca.crt}]}
    - downwardAPI: {items: [{path: namespace, fieldRef: {fieldPath: metadata.namespace}}]}
`)
	got := tree(t, n.mount(p)["v"])
	if want := "ca.crt 644 CA\nnamespace 644 ns\ntoken 644 token-1"; got != want {
		t.Errorf("the volume holds %q, want %q", got, want)
	}
	spec := i.asked[0]
	if ref := spec.BoundObjectRef; ref.UID != p.UID || ref.Name != "p" || ref.Kind != "Pod" || strings.Join(spec.Audiences, ",") != "me" || *spec.ExpirationSeconds != 3607 {
		t.Errorf("asked for %+v bound to %+v", spec, ref)
	}

	// A new pod's account can be unknown for a moment; a lasting refusal is an Event.
	i.down = true
	p = p.DeepCopy()
	p.UID = "other"
	if _, err := n.Mount(t.Context(), p); err == nil || err.Error() != `MountVolume.SetUp failed for volume "v" : failed to fetch token: no answer` {
		t.Errorf("without an issuer: %v", err)
	}
}
