package server_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/remotecommand"

	"github.com/podling/podling/runtime/fault"
	"github.com/podling/podling/runtime/fault/remote"
)

// throughAPI reaches the node as the API server's node proxy does.
func throughAPI(t *testing.T, node *rest.Config) rest.Interface {
	t.Helper()
	transport, err := rest.HTTPClientFor(node)
	if err != nil {
		t.Fatal(err)
	}
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path, ok := strings.CutPrefix(r.URL.Path, "/api/v1/nodes/n/proxy")
		if !ok {
			http.NotFound(w, r)
			return
		}
		request, err := http.NewRequestWithContext(r.Context(), r.Method, node.Host+path, r.Body)
		if err != nil {
			t.Error(err)
			return
		}
		request.Header = r.Header
		response, err := transport.Do(request)
		if err != nil {
			t.Error(err)
			return
		}
		defer response.Body.Close()
		w.Header().Set("Content-Type", response.Header.Get("Content-Type"))
		w.WriteHeader(response.StatusCode)
		if _, err := io.Copy(w, response.Body); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(api.Close)
	client, err := kubernetes.NewForConfig(&rest.Config{Host: api.URL})
	if err != nil {
		t.Fatal(err)
	}
	return client.CoreV1().RESTClient()
}

// Faults are added, shown and removed over the node's port, and strike the calls that the port's own
// callers bring about.
func TestFaults(t *testing.T) {
	client, _ := serve(t)
	faults := remote.Of(throughAPI(t, client), "n")
	added, err := faults.Add(t.Context(), fault.Rule{Call: fault.Exec, Pod: "default/pod", Container: "lines", Error: "not today"})
	if err != nil || added.Name != "Exec-1" {
		t.Fatalf("%+v, %v", added, err)
	}
	exec := func(container string) error {
		return stream(t.Context(), t, "SPDY", client, "/exec/default/pod/"+container+"?command=true&output=1", remotecommand.StreamOptions{Stdout: io.Discard})
	}
	if err := exec("lines"); err == nil || !strings.Contains(err.Error(), "not today") {
		t.Errorf("exec: %v", err)
	}
	if err := exec("echo"); err != nil {
		t.Errorf("exec in another container: %v", err)
	}
	list, err := faults.List(t.Context())
	if err != nil || len(list) != 1 || list[0].Rule != added || list[0].Hits != 1 {
		t.Errorf("%+v, %v", list, err)
	}
	for what, test := range map[string]struct{ err, want string }{
		"a call that does not exist": {because(faults.Add(t.Context(), fault.Rule{Call: "Nope"})), `node n: call "Nope" does not exist`},
		"a name that is taken":       {because(faults.Add(t.Context(), added)), "node n: Exec-1: there is a fault of that name already"},
		"removing what is not there": {because(0, faults.Remove(t.Context(), "Exec-7")), "node n: Exec-7: there is no fault of that name"},
	} {
		if !strings.HasPrefix(test.err, test.want) {
			t.Errorf("%s: %s", what, test.err)
		}
	}
	if code, body := do(t, client, http.MethodPost, remote.Path); code != http.StatusBadRequest || !strings.Contains(body, "call is missing") {
		t.Errorf("an empty rule: %d %s", code, body)
	}
	if err := faults.Remove(t.Context(), added.Name); err != nil {
		t.Error(err)
	}
	if err := exec("lines"); err != nil {
		t.Errorf("exec once the fault is gone: %v", err)
	}
	if list, err := faults.List(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("%+v, %v", list, err)
	}
}

func because(_ any, err error) string {
	if err == nil {
		return "no error"
	}
	return err.Error()
}
