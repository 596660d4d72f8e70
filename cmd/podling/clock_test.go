package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// simNodes is a cluster of two simulated nodes that share a port, and one that does not if there is
// a stranger.
func simNodes(t *testing.T, stranger bool) (config string, asked *[]string) {
	t.Helper()
	asked = new([]string)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /version", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{}`) })
	mux.HandleFunc("GET /api/v1/nodes", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		node := func(name string, port int) string {
			return fmt.Sprintf(`{"metadata":{"name":%q},"status":{"addresses":[{"type":"InternalIP","address":"127.0.0.1"}],
				"daemonEndpoints":{"kubeletEndpoint":{"Port":%d}}}}`, name, port)
		}
		items := node("n", 7) + "," + node("m", 7)
		if stranger {
			items += "," + node("s", 8)
		}
		fmt.Fprintf(w, `{"apiVersion":"v1","kind":"NodeList","items":[%s]}`, items)
	})
	mux.HandleFunc("/api/v1/nodes/n/proxy/podling/clock/", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		*asked = append(*asked, strings.TrimSpace(r.Method+" "+strings.TrimPrefix(r.URL.Path, "/api/v1/nodes/n/proxy/podling/clock/")+" "+string(body)))
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"now":"2030-01-01T00:10:00Z","running":true,"busy":0,"timers":0,"virtual":true}`)
	})
	mux.HandleFunc("GET /api/v1/nodes/n/proxy/podling/clock", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"now":"2030-01-01T00:00:00Z","running":false,"busy":1,"timers":3,"next":"2030-01-01T00:01:30Z","virtual":true}`)
	})
	mux.HandleFunc("GET /api/v1/nodes/s/proxy/podling/clock", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"now":"2029-01-01T00:00:00Z","virtual":false}`)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return kubeconfig(t, server.URL), asked
}

func TestClock(t *testing.T) {
	for _, test := range []struct {
		args, asked, out, errOut string
		stranger                 bool
		code                     int
	}{
		{out: "2030-01-01T00:00:00Z  virtual, stands until it is advanced  busy with 1  next of 3 timers in 1m30s\n"},
		{stranger: true, errOut: "podling: there are 3 nodes: name one with --node (n, m, s)", code: 2},
		{args: "--node s", stranger: true, out: "2029-01-01T00:00:00Z  the machine's\n"},
		{args: "--node s -o json", out: "{\n    \"now\": \"2029-01-01T00:00:00Z\",\n    \"virtual\": false\n}\n"},
		{args: "advance 10m", asked: `POST advance {"by":"10m0s"}`, out: "2030-01-01T00:10:00Z  virtual, jumps by itself\n"},
		{args: "pause -o json", asked: "POST pause", out: "{\n    \"now\": \"2030-01-01T00:10:00Z\",\n    \"running\": true,\n    \"busy\": 0,\n    \"timers\": 0,\n    \"virtual\": true\n}\n"},
		{args: "resume", asked: "POST resume", out: "2030-01-01T00:10:00Z  virtual, jumps by itself\n"},
		{args: "resume --node other", errOut: "podling: node other has no clock: it is not podling's", code: 1},
		{args: "advance", errOut: "podling: accepts 1 arg(s)", code: 2},
		{args: "advance soon", errOut: `podling: "soon" is no duration`, code: 2},
		{args: "advance 0s", errOut: "podling: 0s: a clock does not move backwards", code: 2},
		{args: "advance -5m", errOut: "podling: -5m: a clock does not move backwards", code: 2},
		{args: "advance -- -5m", errOut: "podling: -5m: a clock does not move backwards", code: 2},
		{args: "advance 5m -o yaml", errOut: `podling: --output "yaml" is not known`, code: 2},
		{args: "stop", errOut: `podling: unknown command "stop"`, code: 2},
	} {
		t.Run(test.args, func(t *testing.T) {
			config, asked := simNodes(t, test.stranger)
			args := append([]string{"clock", "--kubeconfig", config}, strings.Fields(test.args)...)
			if verb, rest, _ := strings.Cut(test.args, " "); verb != "" && verb[0] != '-' {
				args = append([]string{"clock", verb, "--kubeconfig", config}, strings.Fields(rest)...)
			}
			code, out, errOut := podling(t, args...)
			if code != test.code || !strings.HasPrefix(errOut, test.errOut) || strings.Join(*asked, ", ") != test.asked {
				t.Errorf("ended with %d: %s\nasked %q", code, errOut, *asked)
			}
			if out != test.out {
				t.Errorf("out:\n%s\nwant:\n%s", out, test.out)
			}
		})
	}
}
