package gather

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/podling/podling/explain"
)

const (
	added   = `{"time":"2026-01-02T03:04:05Z","event":"ADDED","namespace":"shop","name":"p","status":{"phase":"Pending"},"metadata":{"name":"p"},"spec":{"containers":[{"name":"main","image":"App:1"}]}}`
	refused = `{"time":"2026-01-02T03:04:06Z","event":"MODIFIED","namespace":"shop","name":"p","status":{"phase":"Pending","containerStatuses":[{"name":"main","state":{"waiting":{"reason":"InvalidImageName"}}}]},"metadata":{"name":"p"},"spec":{"nodeName":"n","containers":[{"name":"main","image":"App:1"}]}}`
	printed = `{"time":"2026-01-02T03:04:06Z","event":"MODIFIED","namespace":"shop","name":"p","status":{"phase":"Running","containerStatuses":[{"name":"main","started":true,"state":{"running":{}}}]}}`
	broken  = `{"time":"2026-01-02T03:04:07Z","event":"ERROR","namespace":"","name":"","status":null,"error":"too old"}`
)

func TestRecording(t *testing.T) {
	for _, test := range []struct {
		name, in string
		verdict  string // "" if there are no worlds
		err      string
	}{
		{"whole", added + "\n" + refused + "\n" + broken + "\n", `"App:1" is no valid image name`, ""},
		{"printed without specs", printed + "\n", "spec was not recorded", ""},
		{"with Events", `{"time":"2026-01-02T03:04:05Z","event":"RECORDING","status":null,"version":1,"events":true}` + "\n" + added + "\n" + refused + "\n" +
			`{"time":"2026-01-02T03:04:07Z","event":"EVENT","namespace":"shop","name":"p","status":null,"said":{"metadata":{"name":"e","namespace":"shop"},"involvedObject":{"kind":"Pod","name":"p"},"reason":"InspectFailed","message":"no"}}` + "\n", `"App:1" is no valid image name`, ""},
		{"of a later version", `{"time":"2026-01-02T03:04:05Z","event":"RECORDING","status":null,"version":2}` + "\n" + added + "\n", "", "line 1 is no event of a recording: it is of version 2"},
		{"cut", added + "\n" + refused + "\n" + broken[:20], `"App:1" is no valid image name`, "line 3: its last line is not whole"},
		{"broken in the middle", added + "\n{\n" + refused + "\n", "", "line 2 is no event"},
		{"no recording", "kind: Pod\n", "", "line 1 is no event"},
		{"other JSON", `{"kind":"Pod"}` + "\n", "", `line 1 is no event of a recording: it has no field "event"`},
		{"another version", strings.Replace(added, "ADDED", "CREATED", 1) + "\n", "", `event "CREATED" is not known`},
		{"without a time", strings.Replace(added, `"time":"2026-01-02T03:04:05Z",`, "", 1) + "\n", "", `no field "time"`},
		{"empty", "", "", "no event of a pod"},
	} {
		t.Run(test.name, func(t *testing.T) {
			worlds, err := Recording(strings.NewReader(test.in))
			if err == nil && test.err != "" || err != nil && (test.err == "" || !strings.Contains(err.Error(), test.err)) {
				t.Errorf("error %v, want %q", err, test.err)
			}
			if (test.name == "cut") != errors.Is(err, ErrCut) {
				t.Errorf("%v: is it cut?", err)
			}
			if test.verdict == "" {
				if len(worlds) > 0 {
					t.Errorf("%d worlds", len(worlds))
				}
				return
			}
			if len(worlds) != 1 {
				t.Fatalf("%d worlds", len(worlds))
			}
			if _, unseen := worlds[0].Unseen[explain.PartEvents]; unseen != (test.name != "with Events") || unseen != (len(worlds[0].Events) == 0) {
				t.Errorf("Events are out of sight: %v, and there are %d", unseen, len(worlds[0].Events))
			}
			if e := explain.Pod(worlds[0]); !strings.Contains(e.Verdict, test.verdict) {
				t.Errorf("verdict %s, want %q", e.Verdict, test.verdict)
			}
		})
	}
}

// stingy is an API server that lets one read pods, and nothing else.
func stingy(pod string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch {
		case r.URL.Path == "/api/v1/namespaces/shop/pods/p":
			_, _ = w.Write([]byte(pod))
		case r.URL.Path == "/api/v1/namespaces/shop/pods/wbe-1":
			w.WriteHeader(http.StatusNotFound)
			_, _ = w.Write([]byte(`{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404,"message":"not found"}`))
		case r.URL.Path == "/api/v1/namespaces/shop/pods":
			_, _ = w.Write([]byte(`{"kind":"PartialObjectMetadataList","apiVersion":"meta.k8s.io/v1","items":[{"metadata":{"name":"p"}},{"metadata":{"name":"web-1"}}]}`))
		default:
			w.WriteHeader(http.StatusForbidden)
			_, _ = w.Write([]byte(`{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden","code":403,"message":"you may not read ` + r.URL.Path + `"}`))
		}
	}
}

// Without permission for Events, logs, nodes and Secrets the rest is explained, and what is missing is said.
func TestWithoutPermission(t *testing.T) {
	server := httptest.NewServer(stingy(`{"kind":"Pod","apiVersion":"v1","metadata":{"name":"p","namespace":"shop"},
		"spec":{"nodeName":"n","containers":[{"name":"main","image":"a","envFrom":[{"secretRef":{"name":"s"}}]}]},
		"status":{"phase":"Running","containerStatuses":[{"name":"main","containerID":"c","restartCount":1,"state":{"waiting":{"reason":"CrashLoopBackOff"}},"lastState":{"terminated":{"exitCode":1,"reason":"Error"}}}]}}`))
	defer server.Close()
	client, err := kubernetes.NewForConfig(&rest.Config{Host: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	e, err := New(client).Explain(context.Background(), "pod", "shop", "p")
	if err != nil {
		t.Fatal(err)
	}
	if e.Cause != explain.CauseExit || !strings.Contains(e.Verdict, "exits with 1") || !strings.Contains(e.Verdict, "log could not be seen") {
		t.Errorf("verdict %s (%s)", e.Verdict, e.Cause)
	}
	gaps := map[explain.Part]string{}
	for _, g := range e.Unseen {
		gaps[g.What] = g.Why
	}
	for _, part := range []explain.Part{explain.PartEvents, explain.PartLogs, explain.PartNodes, explain.PartSecrets, explain.PartBudgets} {
		if !strings.Contains(gaps[part], "no permission") {
			t.Errorf("of %s it says %q", part, gaps[part])
		}
	}
	if _, err := New(client).Explain(context.Background(), "pod", "shop", "wbe-1"); err == nil || !strings.Contains(err.Error(), "there is no pod wbe-1 in namespace shop; did you mean web-1?") {
		t.Errorf("a pod that is not there: %v", err)
	}
}
