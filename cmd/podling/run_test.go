package main

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// podling runs a command line, and gives back its exit code and what it printed.
func podling(t *testing.T, args ...string) (code int, out, errOut string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	root := newRootCommand()
	root.SetOut(&stdout)
	root.SetErr(&stderr)
	root.SetContext(t.Context())
	code = run(root, args)
	return code, stdout.String(), stderr.String()
}

func write(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// kubeconfig is a file that names the cluster at server.
func kubeconfig(t *testing.T, server string) string {
	return write(t, "kubeconfig", fmt.Sprintf(`{apiVersion: v1, kind: Config, current-context: c,
		clusters: [{name: c, cluster: {server: %q}}], contexts: [{name: c, context: {cluster: c}}]}`, server))
}

const goodPod = `{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [{name: c, image: busybox}]}}`

// What is wrong with a command line or a file is said before anything is started.
func TestRunRefuses(t *testing.T) {
	good := write(t, "good.yaml", goodPod)
	typo := write(t, "typo.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  continers: []\n")
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nowhere := kubeconfig(t, "http://"+listener.Addr().String())
	listener.Close()
	for _, test := range []struct {
		args string
		code int
		want string
	}{
		{"", 2, "requires at least 1 arg"},
		{good + " --until done", 2, `"done"`},
		{good + " --grace-period 10ms", 2, "whole seconds"},
		{good + " -o yaml", 2, `"yaml"`},
		{good + " --kubeconfig " + nowhere + " --nodes 1", 2, "--nodes"},
		{good + " --kubeconfig " + nowhere, 1, "does not answer"},
		{good + " --kubeconfig /nowhere", 1, "there is no kubeconfig /nowhere"},
		{good + " --kubeconfig " + good, 1, good},
		{good + " --context nobody", 1, `"nobody"`},
		{good + " /nowhere.yaml", 1, "/nowhere.yaml: cannot be read"},
		{good + " " + typo, 1, typo + `:5: unknown field "spec.continers"`},
		{filepath.Dir(good), 1, "is a folder"},
		{write(t, "empty.yaml", "# nothing\n"), 1, "empty.yaml: is empty"},
		{write(t, "no.yaml", "a: b: c\n"), 1, "no.yaml:1: not YAML"},
		{write(t, "kind.yaml", strings.Replace(goodPod, "Pod", "Podd", 1)), 1, `kind.yaml:1: no kind "Podd"`},
	} {
		data := filepath.Join(t.TempDir(), "data")
		args := append([]string{"run"}, strings.Fields(test.args)...)
		if !strings.Contains(test.args, "--kubeconfig") && !strings.Contains(test.args, "--context") {
			args = append(args, "--data-dir", data)
		}
		code, out, errOut := podling(t, args...)
		if code != test.code || !strings.Contains(errOut, test.want) || out != "" || strings.Count(errOut, "\n") != 1 {
			t.Errorf("run %s\nended with %d, %q, %q\nwant %d, a line with %q", test.args, code, out, errOut, test.code, test.want)
		}
		if _, err := os.Stat(data); err == nil {
			t.Errorf("run %s: a cluster was started", test.args)
		}
	}
}

// A cluster that only the environment names is not touched: run brings up its own, and leaves nothing
// of it.
func TestRunIgnoresTheEnvironment(t *testing.T) {
	var asked atomic.Int64
	production := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer production.Close()
	t.Setenv("KUBECONFIG", kubeconfig(t, production.URL))
	t.Setenv("TMPDIR", t.TempDir())
	code, out, errOut := podling(t, "run", "--runtime", "none", "--timeout", "2s", "-o", "json", write(t, "pod.yaml", goodPod))
	if code != 1 || !strings.Contains(errOut, "(not ready or finished within 2s)") {
		t.Errorf("ended with %d: %s", code, errOut)
	}
	for _, want := range []string{`"event":"ADDED","namespace":"default","name":"p","status":{"phase":"Pending"`, `"event":"DELETED"`} {
		if !strings.Contains(out, want) {
			t.Errorf("%s is not in\n%s", want, out)
		}
	}
	if asked.Load() > 0 {
		t.Errorf("the environment's cluster was asked %d times", asked.Load())
	}
	left, err := os.ReadDir(os.Getenv("TMPDIR"))
	if err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

func TestCompletion(t *testing.T) {
	for args, want := range map[string]string{
		"run --until ":  "completed",
		"run --output ": "json",
		"trace -o ":     "json",
		"ku":            "kubectl",
		"fault ":        "remove",
		"fault add Pul": "PullImage",
	} {
		_, out, _ := podling(t, append([]string{"__complete"}, strings.Split(args, " ")...)...)
		if !strings.Contains(out, want) {
			t.Errorf("%q is completed with\n%s, want %s", args, out, want)
		}
	}
}
