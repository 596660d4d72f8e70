package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// asPodling makes the test's program podling itself: kubectl ends its process when it fails.
const asPodling = "PODLING_TEST_AS_PODLING"

func TestMain(m *testing.M) {
	if os.Getenv(asPodling) != "" {
		main()
	}
	os.Exit(m.Run())
}

// Flags, output and exit codes are kubectl's, and the cluster is not the environment's.
func TestKubectl(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/hello" {
			http.NotFound(w, r)
			return
		}
		fmt.Fprintln(w, "hello", r.Header.Get("User-Agent"))
	}))
	defer server.Close()
	file := kubeconfig(t, server.URL)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		args, want string
		code       int
	}{
		{"get --raw /hello --kubeconfig " + file, "hello podling", 0},
		{"--kubeconfig=" + file + " get --raw /hello", "hello podling", 0},
		{"get --raw /nothing --kubeconfig " + file, "(NotFound)", 1},
		{"get --raw /hello --kubeconfig /nowhere", "/nowhere", 1},
		{"frobnicate", `unknown command "frobnicate" for "kubectl"`, 1},
		{"get --help", "Display one or many resources", 0},
		{"version --client -o yaml", "gitVersion", 0},
		{"diff --kubeconfig " + file + " --nonsense", "unknown flag", 2}, // as diff says trouble,
	} {
		cmd := exec.CommandContext(t.Context(), self, append([]string{"kubectl"}, strings.Fields(test.args)...)...)
		cmd.Env = append(os.Environ(), asPodling+"=1", "KUBECONFIG=/nobody")
		out, err := cmd.CombinedOutput()
		code := 0
		if failed, ok := errors.AsType[*exec.ExitError](err); ok {
			code = failed.ExitCode()
		} else if err != nil {
			t.Fatal(err)
		}
		if code != test.code || !strings.Contains(string(out), test.want) {
			t.Errorf("kubectl %s: %d\n%s\nwant %d, %q", test.args, code, out, test.code, test.want)
		}
	}
}
