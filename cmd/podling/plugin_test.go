package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// calledAs runs the command line of a program of that name.
func calledAs(t *testing.T, name string, args ...string) (int, string) {
	t.Helper()
	var out bytes.Buffer
	root := newRootCommand()
	root.SetOut(&out)
	root.SetErr(&out)
	root.SetContext(t.Context())
	code := run(root, asCalled(root, name, args))
	return code, out.String()
}

// As a plugin its help speaks of kubectl podling.
func TestPluginNamesItself(t *testing.T) {
	for name, want := range map[string]string{"/usr/local/bin/kubectl-podling": "kubectl podling explain", "./podling": "  podling explain"} {
		code, out := calledAs(t, name, "explain", "--help")
		if code != 0 || !strings.Contains(out, want) {
			t.Errorf("%s: %d\n%s", name, code, out)
		}
		if strings.HasSuffix(name, "/podling") && strings.Contains(out, "kubectl podling") {
			t.Errorf("%s speaks of kubectl podling", name)
		}
	}
}

// kubectl is told the names of pods, for trace and for explain, and those of a kind behind its slash.
func TestPluginCompletes(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch r.URL.Path {
		case "/version":
			_, _ = w.Write([]byte(`{}`))
		case "/api/v1/namespaces/default/pods":
			_, _ = w.Write([]byte(`{"kind":"PodList","apiVersion":"v1","items":[{"metadata":{"name":"web-1"}}]}`))
		case "/apis/apps/v1/namespaces/default/deployments":
			_, _ = w.Write([]byte(`{"kind":"PartialObjectMetadataList","apiVersion":"meta.k8s.io/v1","items":[{"metadata":{"name":"shop"}}]}`))
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	defer server.Close()
	t.Setenv("KUBECONFIG", kubeconfig(t, server.URL))
	for args, want := range map[string]string{"trace ": "web-1", "explain ": "web-1", "explain deployment/": "deployment/shop", "atlas ": "CrashLoopBackOff"} {
		code, out := calledAs(t, completeName, strings.Split(args, " ")...)
		if code != 0 || !strings.Contains("\n"+out, "\n"+want+"\n") || !strings.Contains(out, "\n:") {
			t.Errorf("%s: %d\n%s", args, code, out)
		}
	}
}

// The krew manifest has what krew asks for, but for what a release fills in.
func TestKrewManifest(t *testing.T) {
	text, err := os.ReadFile("../../.krew.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.SplitSeq(string(text), "\n") {
		if !strings.Contains(line, "addURIAndSha") {
			lines = append(lines, strings.ReplaceAll(line, "{{ .TagName }}", "v0.0.0"))
		}
	}
	var m struct {
		APIVersion, Kind string
		Metadata         struct{ Name string }
		Spec             struct {
			ShortDescription, Description, Homepage, Version string
			Platforms                                        []struct {
				Bin      string
				Selector struct{ MatchLabels map[string]string }
			}
		}
	}
	if err := yaml.Unmarshal([]byte(strings.Join(lines, "\n")), &m); err != nil {
		t.Fatal(err)
	}
	if m.Kind != "Plugin" || m.Metadata.Name != "podling" || len(m.Spec.ShortDescription) == 0 || len(m.Spec.ShortDescription) > 50 || m.Spec.Version == "" || len(m.Spec.Platforms) == 0 {
		t.Errorf("%+v", m)
	}
	for _, p := range m.Spec.Platforms {
		if p.Bin != "podling" || p.Selector.MatchLabels["os"] == "" {
			t.Errorf("%+v", p)
		}
	}
}
