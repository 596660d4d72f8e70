package reason

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// word is the form that all reasons have.
var word = regexp.MustCompile(`^[A-Z]+[a-z]+([A-Z][A-Za-z]*)+$`)

// Every word that the core or the node says has an entry, and every entry that
// is the node's to say, and has an example, is said by them.
func TestCoreAndEntriesAgree(t *testing.T) {
	said := map[string]string{}
	for _, dir := range []string{"..", "../../kubelet", "../../runtime/fault"} {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.HasPrefix(path, "../reason") {
				return err
			}
			return sayings(path, said)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(said) < 30 {
		t.Fatalf("only %d words found in the sources: %v", len(said), said)
	}
	for name, at := range said {
		if entries := Find(name); len(entries) == 0 && name != "ExtendWebSocketsToKubelet" { // a feature gate
			t.Errorf("%s says %q, which has no entry", at, name)
		}
	}
	for _, r := range All() {
		if r.By != byKubelet || r.Example.File == "" || r.Kind == Phase || strings.HasPrefix(r.Name, "OutOf") {
			continue // phases are the API's own words, OutOf has the resource's name behind it
		}
		_, ok := said[r.Name]
		_, put := said[strings.TrimPrefix(r.Name, "Resize")] // put together with Resize before it
		if !ok && !put && !isConditionType(r) {
			t.Errorf("%s (%s) has an example, but neither lifecycle nor kubelet says it", r.Name, r.Kind)
		}
	}
}

func isConditionType(r Reason) bool {
	return r.Kind == Condition && strings.HasSuffix(r.Where, ".status")
}

// sayings collects the words that a file says: the values of its constants
// without a type, and the strings that are reasons of a Rejection, of an Event,
// or of whatever else has a Reason.
func sayings(path string, into map[string]string) error {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, nil, 0)
	if err != nil {
		return err
	}
	note := func(e ast.Expr) {
		if api, ok := e.(*ast.SelectorExpr); ok { // v1.PodReasonTerminationByKubelet
			if name, found := strings.CutPrefix(api.Sel.Name, "PodReason"); found {
				into[name] = files.Position(e.Pos()).String()
			}
		}
		lit, ok := e.(*ast.BasicLit)
		if !ok || lit.Kind != token.STRING {
			return
		}
		if s, err := strconv.Unquote(lit.Value); err == nil && (word.MatchString(s) || slices.Contains(plain, s)) {
			into[s] = files.Position(lit.Pos()).String()
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ValueSpec:
			if n.Type == nil && len(n.Names) > 0 && n.Names[0].Obj != nil && n.Names[0].Obj.Kind == ast.Con {
				for _, v := range n.Values {
					note(v)
				}
			}
		case *ast.SelectorExpr: // the API's own constants
			if name, ok := strings.CutPrefix(n.Sel.Name, "PodReason"); ok {
				into[name] = files.Position(n.Pos()).String()
			}
		case *ast.KeyValueExpr:
			if key, ok := n.Key.(*ast.Ident); ok && strings.EqualFold(key.Name, "reason") {
				note(n.Value)
			}
		case *ast.CompositeLit:
			id, ok := n.Type.(*ast.Ident)
			if (n.Type == nil || ok && (id.Name == "Rejection" || id.Name == "saying")) && len(n.Elts) > 0 {
				note(n.Elts[0])
			}
		case *ast.CallExpr:
			for i, arg := range n.Args {
				if id, ok := n.Fun.(*ast.Ident); ok && i == 0 && slices.Contains([]string{"predicate", "unhealthy", "failed"}, id.Name) {
					note(arg)
				}
				if sel, ok := arg.(*ast.SelectorExpr); ok && strings.HasPrefix(sel.Sel.Name, "EventType") && i+1 < len(n.Args) {
					note(n.Args[i+1])
				}
			}
		}
		return true
	})
	return nil
}

// plain are the words of one syllable: any sentence could begin with them.
var plain = []string{"Failed", "Pulled", "Pulling", "Created", "Started", "Killing", "Unhealthy", "Completed", "Evicted", "Preempting"}

// Every word of the API's own lists has an entry.
func TestAPIWordsHaveEntries(t *testing.T) {
	path := find(t, "k8s.io/api/core/v1/types.go")
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	ast.Inspect(file, func(node ast.Node) bool {
		spec, ok := node.(*ast.ValueSpec)
		if !ok {
			return true
		}
		typed, _ := spec.Type.(*ast.Ident)
		for i, name := range spec.Names {
			if !strings.HasPrefix(name.Name, "PodReason") && (typed == nil || typed.Name != "PodPhase" && typed.Name != "PodConditionType") {
				continue
			}
			value, err := strconv.Unquote(spec.Values[i].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			if n++; !slices.ContainsFunc(Find(value), func(r Reason) bool { return r.Name == value && (r.Kind == Phase || r.Kind == Condition) }) {
				t.Errorf("%s = %q has no entry", name.Name, value)
			}
		}
		return true
	})
	if n < 20 {
		t.Fatalf("only %d words found in %s", n, path)
	}
}

// What an entry names as its source is there, and says the word.
func TestSourcesSayTheWord(t *testing.T) {
	for _, r := range All() {
		said := false
		for _, source := range r.Source {
			if kep.MatchString(source) {
				continue
			}
			text, err := os.ReadFile(find(t, source))
			if err != nil {
				t.Errorf("%s: %v", r.Name, err)
				continue
			}
			for _, name := range append([]string{r.Name}, r.Aliases...) {
				said = said || strings.Contains(string(text), `"`+name+`"`)
			}
		}
		if !said {
			t.Errorf("%s: none of %q says the word", r.Name, r.Source)
		}
	}
}

// find is the file of a source: a path in k8s.io/kubernetes, or one that begins
// with its module's, in the versions that podling or its tools are built from.
func find(t *testing.T, source string) string {
	t.Helper()
	for _, m := range []struct{ module, at string }{
		{"github.com/podling/podling", "../.."},
		{"k8s.io/api", "../.."},
		{"k8s.io/cri-api", "../.."},
		{"github.com/containerd/containerd/v2", "../../tools"},
	} {
		if rest, ok := strings.CutPrefix(source, m.module+"/"); ok {
			return filepath.Join(module(t, m.module, m.at), rest)
		}
	}
	return filepath.Join(module(t, "k8s.io/kubernetes", "../.."), source)
}

var modules = map[string]string{}

// module is the folder of a module's source.
func module(t *testing.T, path, from string) string {
	t.Helper()
	if dir, ok := modules[path]; ok {
		return dir
	}
	cmd := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", path)
	cmd.Dir = from
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("where is the source of %s: %v", path, err)
	}
	modules[path] = strings.TrimSpace(string(out))
	return modules[path]
}
