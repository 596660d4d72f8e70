package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// What makes no sense of a node that is to join is said before anything is started; so is a cluster that
// is too old, or does not know the node.
func TestNodeRefuses(t *testing.T) {
	version := func(answer func(w http.ResponseWriter)) string {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			answer(w)
		}))
		t.Cleanup(server.Close)
		return kubeconfig(t, server.URL)
	}
	old := version(func(w http.ResponseWriter) { fmt.Fprint(w, `{"major":"1","minor":"33","gitVersion":"v1.33.4"}`) })
	stranger := version(func(w http.ResponseWriter) {
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","message":"Unauthorized","reason":"Unauthorized","code":401}`)
	})
	dir := t.TempDir()
	for _, test := range []struct {
		args string
		code int
		want string
	}{
		{"--runtime none", 2, `--runtime "none"`},
		{"--runtime containerd --kubeconfig a --server https://h", 2, "--kubeconfig and --server are different ways"},
		{"--runtime containerd --server http://h --token abcdef.0123456789abcdef", 2, `--server "http://h"`},
		{"--runtime containerd --server https://h --token abcdef", 2, "--token is not a bootstrap token"},
		{"--runtime containerd --bootstrap-kubeconfig /nowhere", 1, "--bootstrap-kubeconfig /nowhere"},
		{"--runtime containerd --kubeconfig " + old, 1, "runs Kubernetes v1.33.4: nodes join 1.34 and newer"},
		{"--runtime containerd --bootstrap-kubeconfig " + old, 1, "runs Kubernetes v1.33.4: nodes join 1.34 and newer"},
		{"--runtime containerd --kubeconfig " + stranger, 1, "does not know who this is"},
		{"--runtime containerd --bootstrap-kubeconfig " + stranger, 1, "does not know who this is"},
		{"--runtime sim --server https://h", 2, "simulated nodes join by --kubeconfig"},
		{"--runtime sim --detach", 2, "--runtime sim does not go with --detach"},
		{"--runtime sim --node-labels a=b --kubeconfig " + old, 1, "does not go with --node-labels"},
	} {
		args := strings.Fields(test.args)
		if !strings.Contains(test.args, "sim") {
			args = append(args, "--data-dir", dir)
		}
		code, _, errOut := podling(t, append([]string{"node"}, args...)...)
		if code != test.code || !strings.Contains(errOut, test.want) {
			t.Errorf("%s: exit code %d, %s; want %d and %q", test.args, code, errOut, test.code, test.want)
		}
	}
}

func TestTokenRefuses(t *testing.T) {
	for args, want := range map[string]string{"-o yaml": `--output "yaml"`, "--ttl -1s": "--ttl -1s", "--ttl 1ms": "1s or more", "more": "unknown command"} {
		code, _, errOut := podling(t, append([]string{"token", "create"}, strings.Fields(args)...)...)
		if code != 2 || !strings.Contains(errOut, want) {
			t.Errorf("%s: exit code %d, %s; want %q", args, code, errOut, want)
		}
	}
}

func TestDetachRefuses(t *testing.T) {
	for args, want := range map[string]string{"--detach --ephemeral": "--ephemeral has no data folder", "--detach --end-with-stdin --data-dir " + t.TempDir(): "has no input to end with"} {
		code, _, errOut := podling(t, append([]string{"up"}, strings.Fields(args)...)...)
		if code != 2 || !strings.Contains(errOut, want) {
			t.Errorf("%s: exit code %d, %s; want %q", args, code, errOut, want)
		}
	}
	if code, _, errOut := podling(t, "down", "--timeout", "0s"); code != 2 || !strings.Contains(errOut, "--timeout") {
		t.Errorf("down: exit code %d, %s", code, errOut)
	}
}

func TestWithoutDetach(t *testing.T) {
	got := withoutDetach([]string{"up", "--detach", "--detach=true", "--data-dir", "d", "--detached-not"})
	if want := []string{"up", "--data-dir", "d", "--detached-not"}; !slices.Equal(got, want) {
		t.Errorf("%q; want %q", got, want)
	}
}

// Why a start failed is what was logged last, since it began.
func TestWhyEnded(t *testing.T) {
	log := []byte("podling: of an earlier start\netcd 0.1s\npodling: the port is taken\n")
	for since, want := range map[int64]string{0: "the port is taken", int64(bytes.Index(log, []byte("etcd"))): "the port is taken", int64(len(log)): "it ended without a word"} {
		if got := whyEnded(bytes.NewReader(log), since); got != want {
			t.Errorf("since %d: %q; want %q", since, got, want)
		}
	}
}
