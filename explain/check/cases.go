// Check holds explain to broken pods: each manifest of explain/testdata/broken says in its head which
// root cause is true, is made on a cluster, and is explained.
//
//	go run ./explain/check                     on simulated containers of podling's own
//	go run ./explain/check -kubeconfig FILE    on any cluster
//	go run ./explain/check -write              and write docs/explain-check.md
package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A Case is a manifest, and what is true about it.
type Case struct {
	Name string
	What string // a sentence
	// Expect is the root cause; Names are what the verdict has to say.
	Expect string
	Names  []string
	// Target is what is explained, KIND/NAME.
	Target string
	// Delete is what is deleted once it is there and, if After is set, has that phase.
	Delete, After string
	// Ungate is the pod whose scheduling gates are taken away when all other pods have a node.
	Ungate string
	// Only is the kind of cluster that can show it; "" for any.
	Only string
	// Label is the namespace's.
	Label string

	Manifest []byte
}

// Load reads the cases of a folder.
func Load(dir string) ([]Case, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("no cases in %s: %v", dir, err)
	}
	var out []Case
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		c := Case{Name: strings.TrimSuffix(filepath.Base(file), ".yaml"), Target: "pod/p", Manifest: text}
		for i, line := range strings.Split(string(text), "\n") {
			said, ok := strings.CutPrefix(line, "# ")
			if !ok {
				break
			}
			key, value, _ := strings.Cut(said, ": ")
			switch {
			case i == 0:
				c.What = said
			case key == "expect":
				c.Expect = value
			case key == "names":
				c.Names = strings.Split(value, ";")
			case key == "target":
				c.Target = value
			case key == "delete":
				c.Delete = value
			case key == "after":
				c.After = value
			case key == "ungate":
				c.Ungate = value
			case key == "only":
				c.Only = value
			case key == "namespace-label":
				c.Label = value
			default:
				return nil, fmt.Errorf("%s:%d: %q is no word of a case", file, i+1, key)
			}
		}
		if c.What == "" || c.Expect == "" || len(c.Names) == 0 || slices.Contains(c.Names, "") || !bytes.Contains(text, []byte("\nkind: ")) {
			return nil, fmt.Errorf("%s: a case says in its first lines what is wrong, expect: and names:", file)
		}
		out = append(out, c)
	}
	return out, nil
}
