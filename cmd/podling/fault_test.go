package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// oneNode is a cluster of a node that has a fault, and takes another.
func oneNode(t *testing.T) (config string, asked *[]string) {
	t.Helper()
	asked = new([]string)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /version", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{}`) })
	mux.HandleFunc("GET /api/v1/nodes", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"apiVersion":"v1","kind":"NodeList","items":[{"metadata":{"name":"n"}}]}`)
	})
	mux.HandleFunc("/api/v1/nodes/n/proxy/podling/faults", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.Method == http.MethodGet {
			fmt.Fprint(w, `[{"name":"mine","call":"PullImage","image":"busy*","delay":"2s","error":"denied","count":3,"hits":1},
				{"name":"ExecSync-1","call":"ExecSync","hang":true,"owner":"ns/p","hits":0}]`)
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		*asked = append(*asked, r.Method+" "+string(body))
		fmt.Fprint(w, `{"name":"StopContainer-2","call":"StopContainer"}`)
	})
	mux.HandleFunc("DELETE /api/v1/nodes/n/proxy/podling/faults/{name}", func(w http.ResponseWriter, r *http.Request) {
		*asked = append(*asked, r.Method+" "+r.PathValue("name"))
		if r.PathValue("name") != "mine" {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, `{"kind":"Status","message":"there is none"}`)
		}
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return kubeconfig(t, server.URL), asked
}

func TestFault(t *testing.T) {
	for _, test := range []struct {
		args, asked, out, errOut string
		code                     int
	}{
		{args: "add StopContainer --pod ns/web-* -c main --delay 1500ms --probability 0.5 --seed 9 --count 2 --error no --code Unknown",
			asked: `POST {"call":"StopContainer","pod":"ns/web-*","container":"main","error":"no","code":"Unknown","delay":"1.5s","probability":0.5,"seed":9,"count":2}`,
			out:   "fault StopContainer-2 added\n"},
		{args: "add StopContainer --hang -o json", asked: `POST {"call":"StopContainer","hang":true}`, out: "{\n    \"name\": \"StopContainer-2\",\n    \"call\": \"StopContainer\"\n}\n"},
		{args: "add StopContainers", errOut: `podling: call "StopContainers" does not exist`, code: 1},
		{args: "add StopContainer --delay -1s", errOut: "podling: delay -1s is negative", code: 1},
		{args: "add StopContainer --count many", errOut: `podling: invalid argument "many" for "--count"`, code: 2},
		{args: "add", errOut: "podling: accepts 1 arg(s)", code: 2},
		{args: "list", out: "NAME         CALL        OF            EFFECT                          HITS\n" +
			"mine         PullImage   image=busy*   delayed by 2s, fails: denied    1/3\n" +
			"ExecSync-1   ExecSync    pod ns/p      hangs                           0\n"},
		{args: "list -o yaml", errOut: `podling: --output "yaml" is not known`, code: 2},
		{args: "remove mine", asked: "DELETE mine", out: "fault mine removed\n"},
		{args: "remove other mine", asked: "DELETE other, DELETE mine", out: "fault mine removed\n", errOut: "podling: node n: there is none", code: 1},
		{args: "remove --all -o json", asked: "DELETE mine", out: "[\n    \"mine\"\n]\n"},
		{args: "remove", errOut: "podling: name the faults to remove, or say --all", code: 2},
	} {
		t.Run(test.args, func(t *testing.T) {
			config, asked := oneNode(t)
			code, out, errOut := podling(t, append([]string{"fault"}, append(strings.Fields(test.args), "--kubeconfig", config)...)...)
			if code != test.code || !strings.HasPrefix(errOut, test.errOut) || strings.Join(*asked, ", ") != test.asked {
				t.Errorf("ended with %d: %s\nasked %q", code, errOut, *asked)
			}
			if strings.Join(strings.Fields(out), " ") != strings.Join(strings.Fields(test.out), " ") {
				t.Errorf("out:\n%s\nwant:\n%s", out, test.out)
			}
		})
	}
}
