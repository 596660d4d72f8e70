package nodeproxy_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/podling/podling/nodeproxy"
)

// What goes wrong is said in the words of whoever refused, with the node's name.
func TestErrors(t *testing.T) {
	for answer, want := range map[string]string{
		`200 {"a":1}`:            "",
		`200 [1]`:                "node n: its things cannot be read: json: cannot unmarshal array",
		`404 404 page not found`: "node n has no things: it is not podling's",
		`404 {"kind":"Status","message":"nodes not found"}`: "node n: nodes not found",
		`400 {"kind":"Status","message":"a is wrong"}`:      "node n: a is wrong",
		`403 {"kind":"Status","message":"no nodes/proxy"}`:  "node n: no nodes/proxy",
		`418 teapot`: "node n: the server responded with the status code 418",
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/api/v1/nodes/n/proxy/podling/things/some one" || r.Method != http.MethodPost {
				t.Errorf("asked for %s %s", r.Method, r.URL.Path)
			}
			code, body, _ := strings.Cut(answer, " ")
			var status int
			if _, err := fmt.Sscan(code, &status); err != nil {
				t.Error(err)
			}
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			fmt.Fprint(w, body)
		}))
		client, err := kubernetes.NewForConfig(&rest.Config{Host: server.URL})
		if err != nil {
			t.Fatal(err)
		}
		var out struct{ A int }
		err = nodeproxy.Of(client.CoreV1().RESTClient(), "n", "/podling/things", "things").Post(t.Context(), "some one", map[string]int{"b": 2}, &out)
		if want == "" && (err != nil || out.A != 1) || want != "" && (err == nil || !strings.HasPrefix(err.Error(), want)) {
			t.Errorf("%s: %v (%+v), want %q", answer, err, out, want)
		}
		server.Close()
	}
}

// Names that would lead to another path are refused before anybody is asked.
func TestNames(t *testing.T) {
	client, err := kubernetes.NewForConfig(&rest.Config{Host: "http://127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"", ".", "..", "a/b", "../faults"} {
		err := nodeproxy.Of(client.CoreV1().RESTClient(), "n", "/podling/things", "things").Delete(t.Context(), name)
		if err == nil || !strings.Contains(err.Error(), "is the name of nothing") {
			t.Errorf("%q: %v", name, err)
		}
		err = nodeproxy.Of(client.CoreV1().RESTClient(), name, "/podling/things", "things").Get(t.Context(), nil)
		if err == nil || !strings.Contains(err.Error(), "is no node's name") {
			t.Errorf("node %q: %v", name, err)
		}
	}
}
