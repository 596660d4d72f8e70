package sim

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
	api "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// The commands of all conformance scenarios are understood: every program in them
// is known, but for those whose absence is the scenario.
func TestScenarioCommands(t *testing.T) {
	files, err := filepath.Glob("../../conformance/scenarios/*/pod.yaml")
	if err != nil || len(files) < 100 {
		t.Fatalf("%d scenarios, %v", len(files), err)
	}
	n := newNode(t, "")
	type one struct{ file, id, log string }
	var all []one
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		d := yaml.NewDecoder(strings.NewReader(string(text)))
		for {
			var doc yaml.Node
			if d.Decode(&doc) != nil {
				break
			}
			for _, command := range commands(&doc) {
				uid := filepath.Base(filepath.Dir(file)) + "-" + string(rune('a'+len(all)%26)) + strings.Repeat("x", len(all)/26)
				c := containerConfig(0, "busybox", command...)
				c.Mounts = []*api.Mount{{HostPath: "/nowhere/" + uid, ContainerPath: "/d"}, {HostPath: "/nowhere/v" + uid, ContainerPath: "/v"}}
				id := n.create(n.sandbox(n.pod(uid, "")), c)
				if err := n.StartContainer(t.Context(), id); err != nil {
					if !strings.Contains(file, "command-not-found") {
						t.Errorf("%s %q: %v", file, command, err)
					}
					continue
				}
				all = append(all, one{file, id, filepath.Join(n.dir, uid, "main.log")})
			}
		}
	}
	n.clk.Sleep(30 * time.Second)
	wrong := regexp.MustCompile(` stderr F .*(not found|syntax error|unsupported|usage:|not in this shell)`)
	for _, c := range all {
		if b, err := os.ReadFile(c.log); err == nil && wrong.Match(b) {
			t.Errorf("%s: %s", c.file, b)
		}
	}
	if len(all) < 100 {
		t.Errorf("only %d commands ran", len(all))
	}
}

// commands finds every command of a manifest: of containers, probes and hooks.
func commands(n *yaml.Node) (out [][]string) {
	for i, kid := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 && kid.Value == "command" {
			var words []string
			if n.Content[i+1].Decode(&words) == nil {
				out = append(out, words)
			}
		}
		out = append(out, commands(kid)...)
	}
	return out
}
