package server_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/podling/podling/kubelet/server"
)

// asked is an API server that says who callers are and what they may do.
type asked struct {
	tokens map[string]string   // to users' names
	rights map[string][]string // users' names to VERB SUBRESOURCE
	down   bool
}

// client is a client of it; it ends with the test.
func (a asked) client(t *testing.T) kubernetes.Interface {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("POST /apis/authentication.k8s.io/v1/tokenreviews", func(w http.ResponseWriter, r *http.Request) {
		answer(t, w, r, &authenticationv1.TokenReview{}, func(review *authenticationv1.TokenReview) {
			name, known := a.tokens[review.Spec.Token]
			review.Status = authenticationv1.TokenReviewStatus{Authenticated: known, User: authenticationv1.UserInfo{Username: name}}
		})
	})
	mux.HandleFunc("POST /apis/authorization.k8s.io/v1/subjectaccessreviews", func(w http.ResponseWriter, r *http.Request) {
		if a.down {
			http.Error(w, "no quorum", http.StatusForbidden) // which is not tried again
			return
		}
		answer(t, w, r, &authorizationv1.SubjectAccessReview{}, func(review *authorizationv1.SubjectAccessReview) {
			of := review.Spec.ResourceAttributes
			review.Status.Allowed = of.Resource == "nodes" && of.Name == "n" && slices.Contains(a.rights[review.Spec.User], of.Verb+" "+of.Subresource)
		})
	})
	api := httptest.NewServer(mux)
	t.Cleanup(api.Close)
	client, err := kubernetes.NewForConfig(&rest.Config{Host: api.URL})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// answer completes the review that was sent.
func answer[R any](t *testing.T, w http.ResponseWriter, r *http.Request, review R, complete func(R)) {
	if err := json.NewDecoder(r.Body).Decode(review); err != nil {
		t.Error(err)
	}
	complete(review)
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(review); err != nil {
		t.Error(err)
	}
}

// Callers are known by a certificate of the right authority or by a token, and do what the API
// server lets them do.
func TestCallers(t *testing.T) {
	of := asked{
		tokens: map[string]string{"good": "scraper", "dull": "nobody"},
		rights: map[string][]string{
			"scraper": {"get metrics"}, "looker": {"get pods", "get healthz"}, "runner": {"create proxy"}, "reader": {"get proxy"},
		},
	}
	client, ca := serve(t, func(c *server.Config) { c.Client = of.client(t) })
	user := func(name string, groups ...string) *rest.Config {
		return ca.client(t, pkix.Name{CommonName: name, Organization: groups})
	}
	master := func(change func(*x509.Certificate)) *rest.Config {
		return ca.client(t, pkix.Name{CommonName: "x", Organization: []string{"system:masters"}}, change)
	}
	const run = "/run/default/pod/lines?cmd=true"
	for i, test := range []struct {
		caller       *rest.Config
		method, path string
		code         int
		says         string
	}{
		{client, "GET", "/healthz", 200, "ok"},
		{user("x", "y", "system:masters"), "GET", "/pods", 200, "PodList"},
		{user("system:node:other", "system:nodes"), "GET", "/healthz", 403, "Forbidden (user=system:node:other, verb=get, resource=nodes, subresource(s)=[healthz proxy])"},
		{user("looker"), "GET", "/healthz", 200, "ok"},
		{user("looker"), "GET", "/pods", 200, "PodList"},
		{user("looker"), "GET", "/metrics", 403, "subresource(s)=[metrics]"},
		{user("looker"), "GET", "/containerLogs/default/pod/lines", 403, "subresource(s)=[proxy]"},
		{user("reader"), "GET", "/pods", 200, "PodList"},
		{user("reader"), "GET", "/metrics", 403, "[metrics]"},
		{user("reader"), "POST", run, 403, "verb=create"},
		{user("runner"), "POST", run, 200, ""},
		{master(func(c *x509.Certificate) {}), "GET", "/healthz", 200, "ok"},
		{master(func(c *x509.Certificate) {
			c.NotBefore, c.NotAfter = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)
		}), "GET", "/healthz", 401, "Unauthorized"},
		{master(func(c *x509.Certificate) {
			c.NotBefore, c.NotAfter = time.Now().Add(time.Hour), time.Now().Add(2*time.Hour)
		}), "GET", "/healthz", 401, "Unauthorized"},
		{master(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }), "GET", "/healthz", 401, "Unauthorized"},
		// No path leads to more than its first part allows.
		{&rest.Config{BearerToken: "good"}, "GET", "/metrics/../pods", 403, "subresource(s)=[pods proxy]"},
		{&rest.Config{BearerToken: "good"}, "GET", "/metrics/%2e%2e/pods", 404, "not found"},
		{&rest.Config{BearerToken: "good"}, "GET", "/metrics/..%2fpods", 404, "not found"},
		{&rest.Config{BearerToken: "good"}, "GET", "//metrics/./../containerLogs/default/pod/lines", 403, "subresource(s)=[proxy]"},
		{&rest.Config{BearerToken: "good"}, "GET", "/metrics", 200, "process_resident_memory_bytes"},
		{&rest.Config{BearerToken: "good"}, "GET", "/podsandmore", 403, "[proxy]"},
		{&rest.Config{BearerToken: "dull"}, "GET", "/metrics", 403, "user=nobody"},
		{&rest.Config{BearerToken: "made up"}, "GET", "/metrics", 401, "Unauthorized"},
		{&rest.Config{}, "GET", "/healthz", 401, "Unauthorized"},
		{newAuthority(t).client(t, pkix.Name{CommonName: "x", Organization: []string{"system:masters"}}), "GET", "/healthz", 401, "Unauthorized"},
	} {
		test.caller.Host, test.caller.CAData = client.Host, client.CAData
		code, body := do(t, test.caller, test.method, test.path)
		if code != test.code || !strings.Contains(body, test.says) {
			t.Errorf("case %d, %s %s: %d, %.200q; want %d and %q", i, test.method, test.path, code, body, test.code, test.says)
		}
	}
}

// An API server that does not answer is no permission, except for those who may do everything.
func TestCallersWithoutAnAPIServer(t *testing.T) {
	client, ca := serve(t, func(c *server.Config) { c.Client = asked{down: true}.client(t) })
	if code, body := do(t, client, http.MethodGet, "/healthz"); code != http.StatusOK {
		t.Errorf("a master: %d, %q", code, body)
	}
	looker := ca.client(t, pkix.Name{CommonName: "looker"})
	looker.Host, looker.CAData = client.Host, client.CAData
	if code, body := do(t, looker, http.MethodGet, "/healthz"); code != http.StatusInternalServerError || !strings.Contains(body, "no quorum") {
		t.Errorf("somebody else: %d, %q", code, body)
	}
}
