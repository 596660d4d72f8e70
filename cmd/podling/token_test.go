package main

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/podling/podling/cluster"
)

// tokens is a cluster that keeps two tokens, and a Secret that is none.
func tokens(t *testing.T) (config string, asked *[]string) {
	t.Helper()
	asked = new([]string)
	secret := func(id string, data map[string]string) string {
		var fields []string
		for name, value := range data {
			fields = append(fields, fmt.Sprintf("%q:%q", name, base64.StdEncoding.EncodeToString([]byte(value))))
		}
		return fmt.Sprintf(`{"metadata":{"name":"bootstrap-token-%s"},"data":{%s}}`, id, strings.Join(fields, ","))
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /version", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{}`) })
	mux.HandleFunc("GET /api/v1/namespaces/kube-system/secrets", func(w http.ResponseWriter, r *http.Request) {
		if of := r.URL.Query().Get("fieldSelector"); of != "type=bootstrap.kubernetes.io/token" {
			t.Errorf("asked for Secrets that are %q", of)
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"apiVersion":"v1","kind":"SecretList","items":[%s,%s,%s]}`,
			secret("zzzzzz", map[string]string{"token-id": "zzzzzz", "token-secret": "0123456789abcdef", "expiration": "2001-02-03T04:05:06Z", "usage-bootstrap-signing": "true"}),
			secret("broken", map[string]string{"token-id": "broken", "token-secret": "short"}),
			secret("abcdef", map[string]string{"token-id": "abcdef", "token-secret": "0123456789abcdef", "description": "for the rack", "auth-extra-groups": "system:bootstrappers:a,system:bootstrappers:b",
				"usage-bootstrap-signing": "true", "usage-bootstrap-authentication": "true"}))
	})
	mux.HandleFunc("DELETE /api/v1/namespaces/kube-system/secrets/{name}", func(w http.ResponseWriter, r *http.Request) {
		*asked = append(*asked, r.PathValue("name"))
		w.Header().Set("Content-Type", "application/json")
		if r.PathValue("name") != "bootstrap-token-abcdef" {
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404}`)
			return
		}
		fmt.Fprint(w, `{"kind":"Status","apiVersion":"v1","status":"Success"}`)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return kubeconfig(t, server.URL), asked
}

func TestTokens(t *testing.T) {
	const broken = "podling: the Secret kube-system/bootstrap-token-broken is no bootstrap token: token-secret"
	for _, test := range []struct {
		args, asked, out, errOut string
		code                     int
	}{
		{args: "list", code: 1, errOut: broken, out: `TOKEN TTL EXPIRES USAGES DESCRIPTION EXTRA GROUPS
			abcdef.0123456789abcdef <forever> <never> authentication,signing for the rack system:bootstrappers:a,system:bootstrappers:b
			zzzzzz.0123456789abcdef <expired> 2001-02-03T04:05:06Z signing <none> <none>`},
		{args: "list -o json", code: 1, errOut: broken, out: `[ { "token": "abcdef.0123456789abcdef", "usages": [ "authentication", "signing" ], "description": "for the rack",
			"groups": [ "system:bootstrappers:a", "system:bootstrappers:b" ] },
			{ "token": "zzzzzz.0123456789abcdef", "expires": "2001-02-03T04:05:06Z", "usages": [ "signing" ], "groups": [] } ]`},
		{args: "list -o kubeconfig", code: 2, errOut: `podling: --output "kubeconfig" is not known`},
		{args: "delete abcdef", asked: "bootstrap-token-abcdef", out: "token abcdef deleted"},
		{args: "delete aaaaaa abcdef.0123456789abcdef", code: 1, asked: "bootstrap-token-aaaaaa bootstrap-token-abcdef", out: "token abcdef deleted",
			errOut: "podling: the cluster has no bootstrap token aaaaaa\n"},
		{args: "delete abcdef -o json", asked: "bootstrap-token-abcdef", out: `[ "abcdef" ]`},
		{args: "delete abcdef ABCDEF.secret", code: 2, errOut: "podling: argument 2: a bootstrap token is ID.SECRET"},
		{args: "delete abcdef.0123456789abcde", code: 2, errOut: "podling: argument 1: a bootstrap token is ID.SECRET"},
		{args: "delete", code: 2, errOut: "podling: requires at least 1 arg"},
	} {
		t.Run(test.args, func(t *testing.T) {
			config, asked := tokens(t)
			code, out, errOut := podling(t, append([]string{"token"}, append(strings.Fields(test.args), "--kubeconfig", config)...)...)
			if code != test.code || !strings.HasPrefix(errOut, test.errOut) || test.errOut == "" && errOut != "" || strings.Join(*asked, " ") != test.asked {
				t.Errorf("ended with %d: %s\nasked to delete %q", code, errOut, *asked)
			}
			if strings.Join(strings.Fields(out), " ") != strings.Join(strings.Fields(test.out), " ") {
				t.Errorf("out:\n%s\nwant:\n%s", out, test.out)
			}
			if strings.Contains(errOut, "secret;") || strings.Contains(errOut, "0123456789") {
				t.Errorf("a secret is in the error: %s", errOut)
			}
		})
	}
	config, _ := tokens(t)
	if _, out, _ := podling(t, "__complete", "token", "delete", "--kubeconfig", config, ""); !strings.HasPrefix(out, "abcdef\tfor the rack\nzzzzzz\n") {
		t.Errorf("completed with\n%s", out)
	}
}

func TestTimeLeft(t *testing.T) {
	var out strings.Builder
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	at := now.Add(23*time.Hour + 59*time.Minute)
	if err := printTokens(&out, []cluster.Token{{Token: "abcdef.0123456789abcdef", Expires: &at}}, now); err != nil || !strings.Contains(out.String(), " 23h   2026-01-03T03:03:05Z ") {
		t.Errorf("%v: %s", err, out.String())
	}
}
