package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// oneEvent is a cluster in which one pod gets added, and nothing else happens. It tells what it is asked
// to list.
type oneEvent chan string

func (c oneEvent) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	switch {
	case r.URL.Path == "/version":
		fmt.Fprint(w, `{}`)
	case r.URL.Query().Get("watch") == "":
		c <- r.URL.Path + "?" + r.URL.RawQuery
		fmt.Fprint(w, `{"apiVersion":"v1","kind":"PodList","metadata":{"resourceVersion":"1"}}`)
	default:
		fmt.Fprint(w, `{"type":"ADDED","object":{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","namespace":"ns","resourceVersion":"2"},"spec":{"nodeName":"n"},"status":{"phase":"Pending"}}}`)
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}
}

// until is a writer that calls done with the first write.
type until struct {
	io.Writer
	done func()
}

func (u until) Write(p []byte) (int, error) {
	defer u.done()
	return u.Writer.Write(p)
}

// Trace shows the pods that its flags select, records them, and ends well when it is interrupted.
func TestTrace(t *testing.T) {
	for _, test := range []struct{ args, listed, out string }{
		{"", "/api/v1/namespaces/default/pods?", "ADDED     ns/p  Pending"},
		{"p -n ns", "/api/v1/namespaces/ns/pods?fieldSelector=metadata.name%3Dp", "ADDED     ns/p  Pending"},
		{"-A -l app=web -o json", "/api/v1/pods?labelSelector=app%3Dweb", `"event":"ADDED","namespace":"ns","name":"p","status":{"phase":"Pending"}}`},
	} {
		t.Run(test.args, func(t *testing.T) {
			cluster := make(oneEvent, 1)
			server := httptest.NewServer(cluster)
			defer server.Close()
			ctx, interrupt := context.WithCancel(t.Context())
			defer interrupt()
			record := filepath.Join(t.TempDir(), "p.jsonl")
			var out bytes.Buffer
			root := newRootCommand()
			root.SetContext(ctx)
			root.SetOut(until{&out, interrupt})
			args := append([]string{"trace", "--kubeconfig", kubeconfig(t, server.URL), "--record", record}, strings.Fields(test.args)...)
			if code := run(root, args); code != 0 {
				t.Errorf("ended with %d", code)
			}
			if listed := <-cluster; listed != test.listed || !strings.Contains(out.String(), test.out) {
				t.Errorf("asked %s, printed\n%s", listed, out.String())
			}
			recorded, err := os.ReadFile(record)
			if err != nil || !strings.Contains(string(recorded), `"spec":{"containers":null,"nodeName":"n"}`) {
				t.Errorf("recorded %s, %v", recorded, err)
			}
			if info, err := os.Stat(record); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("the record, which may hold what is secret, is open to others: %v, %v", info.Mode(), err)
			}
		})
	}
}

// A context that is named alone is looked for in the environment's kubeconfig.
func TestTraceRefuses(t *testing.T) {
	t.Setenv("KUBECONFIG", "/nowhere")
	for args, want := range map[string]string{
		"--context nobody":                     `"nobody"`,
		"-A -n ns":                             "--all-namespaces",
		"-l a=b=c":                             "--selector",
		"--kubeconfig /nowhere":                "there is no kubeconfig /nowhere",
		"-o wide":                              `"wide"`,
		"--since -1m":                          "--since",
		"--file x --record y":                  "--file",
		"--file /nowhere":                      "/nowhere",
		"--file trace_test.go":                 "not a recording",
		"--kubeconfig testdata --record /no/o": "testdata",
	} {
		code, _, errOut := podling(t, append([]string{"trace"}, strings.Fields(args)...)...)
		if code == 0 || !strings.Contains(errOut, want) {
			t.Errorf("trace %s: %d, %s", args, code, errOut)
		}
	}
}
