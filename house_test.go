// Package podling holds no code: its test holds the packages below to the
// design's rules. A pod's way through them is described in CONTRIBUTING.md.
package podling

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	module = "github.com/podling/podling"
	// maxLines keeps a file to one idea.
	maxLines = 450
)

// A listed is what `go list -json` says of a package.
type listed struct {
	ImportPath, Dir, Doc string
	GoFiles, Imports     []string
}

// own is the package's path below the module, "" for the module itself.
func (p listed) own() string {
	return strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
}

// An arrow says what the packages below From may not import, except what is
// allowed. Paths stand for all that lies below them; test files are free.
type arrow struct {
	from    string   // "" for all packages
	but     string   // a package that may, after all
	not     []string // never, unless in allowed
	allowed []string
	why     string
}

var arrows = []arrow{
	{
		from: "lifecycle", not: []string{"."},
		allowed: []string{"k8s.io/api", "k8s.io/apimachinery", module + "/lifecycle"},
		why:     "the core is the standard library and the API's types: no I/O, no clock, no client",
	},
	{
		but: "controlplane", not: []string{"k8s.io/kubernetes/cmd"},
		why: "upstream's programs are the control plane's alone",
	},
	{
		from: "kubelet", not: []string{module + "/controlplane", module + "/trace", module + "/cluster", module + "/replay", module + "/web"},
		why: "a node knows its API server by an address, and nothing that looks at it",
	},
	{
		not: []string{
			"k8s.io/kubernetes/pkg/kubelet/kuberuntime", "k8s.io/kubernetes/pkg/kubelet/pleg",
			"k8s.io/kubernetes/pkg/kubelet/prober", "k8s.io/kubernetes/pkg/kubelet/images",
			"k8s.io/kubernetes/pkg/kubelet/status", "k8s.io/kubernetes/pkg/kubelet/lifecycle",
			"k8s.io/kubernetes/pkg/kubelet$",
		},
		why: "these are what podling stands in for",
	},
	{
		from: "runtime", not: []string{module + "/kubelet", module + "/lifecycle", module + "/controlplane", module + "/cluster"},
		why: "a runtime runs containers and knows of no pods' rules",
	},
	{
		from: "trace", not: []string{module + "/kubelet", module + "/lifecycle", module + "/controlplane", module + "/cluster", module + "/runtime", module + "/replay", module + "/web"},
		why: "a trace sees what the API server tells everybody",
	},
	{
		from: "replay", not: []string{module + "/kubelet", module + "/controlplane", module + "/cluster", module + "/runtime"},
		why: "a replay has what was recorded and the core, and no node",
	},
	{
		from: "web", not: []string{module + "/kubelet", module + "/lifecycle", module + "/controlplane", module + "/cluster", module + "/runtime", module + "/replay"},
		why: "the page shows what a trace saw",
	},
	{
		from: "explain", but: "explain/check",
		not: []string{module + "/kubelet", module + "/controlplane", module + "/cluster", module + "/runtime", module + "/cmd"},
		why: "an explanation goes by what any cluster tells everybody",
	},
	{
		from: "controlplane", not: []string{module + "/kubelet", module + "/lifecycle", module + "/cluster", module + "/runtime", module + "/trace"},
		why: "the control plane is upstream's",
	},
	{
		but: "cmd", not: []string{module + "/cmd"},
		why: "commands are called by people",
	},
}

func TestArrows(t *testing.T) {
	for _, p := range packages(t) {
		for _, a := range arrows {
			if !within(p.own(), a.from) || a.but != "" && within(p.own(), a.but) {
				continue
			}
			for _, imported := range p.Imports {
				if a.forbids(imported) {
					t.Errorf("%s imports %s: %s", p.ImportPath, imported, a.why)
				}
			}
		}
	}
}

// within says whether a path is a package or lies below it.
func within(path, below string) bool {
	return below == "" || path == below || strings.HasPrefix(path, below+"/")
}

func (a arrow) forbids(imported string) bool {
	for _, ok := range a.allowed {
		if within(imported, ok) {
			return false
		}
	}
	for _, not := range a.not {
		exact, only := strings.CutSuffix(not, "$")
		switch {
		case not == ".": // everything with a host in its name: all but the standard library
			host, _, _ := strings.Cut(imported, "/")
			if strings.Contains(host, ".") {
				return true
			}
		case only && imported == exact, !only && within(imported, not):
			return true
		}
	}
	return false
}

// The rules of explain are a function of data: only what gathers and checks asks a cluster.
func TestExplainIsPure(t *testing.T) {
	for _, p := range packages(t) {
		if p.own() != "explain" {
			continue
		}
		for _, imported := range p.Imports {
			if within(imported, "k8s.io/client-go") || imported == "os" || imported == "net/http" {
				t.Errorf("explain imports %s", imported)
			}
		}
		return
	}
	t.Error("there is no package explain")
}

// The rule book itself: each arrow must be able to catch something.
func TestArrowsCatch(t *testing.T) {
	for _, test := range []struct {
		from, imported string
		want           bool
	}{
		{"lifecycle", "time", false},
		{"lifecycle/reason", "k8s.io/api/core/v1", false},
		{"lifecycle", "k8s.io/client-go/kubernetes", true},
		{"kubelet/worker", module + "/controlplane", true},
		{"kubelet", "k8s.io/kubernetes/cmd/kube-scheduler/app", true},
		{"controlplane", "k8s.io/kubernetes/cmd/kube-scheduler/app", false},
		{"kubelet", "k8s.io/kubernetes/pkg/kubelet", true},
		{"kubelet", "k8s.io/kubernetes/pkg/kubelet/status", true},
		{"kubelet", "k8s.io/kubernetes/pkg/kubelet/util/format", false},
		{"kubelet", module + "/runtime/cri", false},
		{"runtime/cri", module + "/kubelet", true},
		{"cluster", module + "/cmd/podling", true},
		{"trace/otlp", module + "/lifecycle", true},
		{"replay", module + "/lifecycle", false},
		{"replay", module + "/kubelet/worker", true},
		{"web", module + "/trace", false},
		{"web", module + "/replay", true},
		{"kubelet/worker", module + "/replay", true},
		{"explain/gather", module + "/kubelet/node", true},
		{"explain/gather", "k8s.io/client-go/kubernetes", false},
	} {
		caught := false
		for _, a := range arrows {
			if within(test.from, a.from) && (a.but == "" || !within(test.from, a.but)) {
				caught = caught || a.forbids(test.imported)
			}
		}
		if caught != test.want {
			t.Errorf("%s importing %s: caught %v, want %v", test.from, test.imported, caught, test.want)
		}
	}
}

func TestPackagesSayWhatTheyDo(t *testing.T) {
	for _, p := range packages(t) {
		if len(p.GoFiles) > 0 && p.Doc == "" {
			t.Errorf("%s has no package comment: what does it do, and where does it stand in a pod's way?", p.ImportPath)
		}
		for _, vague := range []string{"util", "utils", "common", "helpers", "misc"} {
			if slices.Contains(strings.Split(p.own(), "/"), vague) {
				t.Errorf("%s: %q says nothing of what is in it", p.ImportPath, vague)
			}
		}
	}
}

func TestFilesAreShort(t *testing.T) {
	for _, p := range packages(t) {
		for _, file := range p.GoFiles {
			path := filepath.Join(p.Dir, file)
			if n := lines(t, path); n > maxLines && !generated(t, path) {
				t.Errorf("%s has %d lines; split it by idea (at most %d)", path, n, maxLines)
			}
		}
	}
}

// podlingtest is compiled into the tests of other modules, with all that it needs: none of it may be
// one of the large parts of Kubernetes, or of what podling runs them with.
func TestPodlingtestIsLight(t *testing.T) {
	needed := strings.Fields(string(run(t, "list", "-deps", "./podlingtest")))
	if len(needed) < 100 {
		t.Fatalf("go list found %d packages", len(needed))
	}
	for _, p := range needed {
		if tooHeavy(p) {
			t.Errorf("podlingtest needs %s: go list -deps -json tells by whom", p)
		}
	}
	for p, want := range map[string]bool{
		"k8s.io/kubernetes/pkg/api/v1/pod": true, "google.golang.org/grpc/codes": true, module + "/kubelet/server": true,
		"k8s.io/client-go/kubernetes": false, module + "/runtime/fault/rule": false, "k8s.io/kubernetesx": false,
	} {
		if tooHeavy(p) != want {
			t.Errorf("%s is too heavy: %v", p, !want)
		}
	}
}

func tooHeavy(p string) bool {
	return slices.ContainsFunc([]string{
		"k8s.io/kubernetes", "k8s.io/apiserver", "k8s.io/cri-api", "k8s.io/cri-client", "k8s.io/component-base", "k8s.io/kubectl",
		"go.etcd.io", "google.golang.org/grpc", "github.com/prometheus", "github.com/spf13/cobra",
		module + "/cluster", module + "/controlplane", module + "/kubelet", module + "/lifecycle$", module + "/cmd",
	}, func(heavy string) bool {
		exact, only := strings.CutSuffix(heavy, "$")
		return only && p == exact || !only && within(p, heavy)
	})
}

func lines(t *testing.T, path string) int {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Count(b, []byte("\n"))
}

func generated(t *testing.T, path string) bool {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.PackageClauseOnly|parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	return ast.IsGenerated(f)
}

// Replaced modules are not replaced for those who import podling, or install it
// with go install: it would not build for them.
func TestNothingIsReplaced(t *testing.T) {
	var mod struct{ Replace []json.RawMessage }
	if err := json.Unmarshal(run(t, "mod", "edit", "-json"), &mod); err != nil {
		t.Fatal(err)
	}
	if len(mod.Replace) > 0 {
		t.Errorf("go.mod replaces modules: %s", mod.Replace)
	}
}

// packages are the module's, by one call of the go command.
func packages(t *testing.T) []listed {
	t.Helper()
	out := run(t, "list", "-e", "-json=ImportPath,Dir,Doc,GoFiles,Imports", "./...")
	var all []listed
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := d.Decode(&p); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	if len(all) < 2 {
		t.Fatalf("go list found %d packages", len(all))
	}
	return all
}

func run(t *testing.T, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go %s: %v: %s", strings.Join(args, " "), err, stderr.Bytes())
	}
	return out
}
